"""Sizes, times, paths and the rest: what people write, what the agent takes, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import source, units
from controller.errors import PlaybookError
from controller.units import UnitError, convert

TAKEN = [
    ("size", "500 MB", 500_000_000),
    ("size", "2GiB", 2 * 2**30),
    ("size", " 1.5 kB ", 1500),
    ("size", "0 B", 0),
    ("duration", "10s", 10),
    ("duration", "5m", 300),
    ("duration", "1 h", 3600),
    ("duration", "500ms", 0.5),
    ("duration", "2d", 172_800),
    ("time_of_day", "18:00", "18:00"),
    ("time_of_day", "6.05", "06:05"),
    ("port", 80, 80),
    ("port", "65535", 65535),
    ("count", 0, 0),
    ("path", "/etc/nginx", "/etc/nginx"),
    ("path", "~/kilat", "~/kilat"),
    ("path", "C:\\Program Files\\Kilat", "C:\\Program Files\\Kilat"),
    ("path", "/a/..b", "/a/..b"),
    ("mode", "644", "0644"),
    ("mode", "4755", "4755"),
    ("digest", "A" * 64, "a" * 64),
    ("version_range", ">= 12 , <14", ">=12,<14"),
    ("version_range", "12", "12"),
    ("architecture", "AMD64", "x86_64"),
    ("boolean", "yes", True),
    ("boolean", False, False),
    ("argument", 8080, "8080"),
    ("exit_code", 3221225786, 3221225786),
    ("exit_code", -5, 4294967291),
    ("package", "libc6:amd64=2.36-9+deb12u4", "libc6:amd64=2.36-9+deb12u4"),
    ("url", "https://example.invalid:8443/a?b=c", "https://example.invalid:8443/a?b=c"),
    ("group_pattern", r"v(\d+)", r"v(\d+)"),
    ("choice:a|b", "b", "b"),
]
REFUSED = [
    ("size", 500),
    ("size", "500"),
    ("size", "-1 MB"),
    ("size", "5 MBit"),
    ("duration", 10),
    ("duration", "10"),
    ("duration", "1m30s"),
    ("duration", "8d"),
    ("time_of_day", "24:00"),
    ("time_of_day", "18"),
    ("time_of_day", 1080),
    ("port", 0),
    ("port", 65536),
    ("port", True),
    ("port", 80.0),
    ("count", -1),
    ("path", "etc"),
    ("path", "/a/../b"),
    ("path", "C:\\a\\..\\b"),
    ("path", "/a\0b"),
    ("path", None),
    ("mode", 0o644),
    ("mode", "0888"),
    ("digest", "…"),
    ("digest", "a" * 63),
    ("version_range", 12),
    ("version_range", ">= "),
    ("architecture", "z80"),
    ("boolean", 1),
    ("argument", True),
    ("argument", "a\0b"),
    ("string", 1.5),
    ("filled", "  "),
    ("url", "ftp://example.invalid"),
    ("url", "http://a b"),
    ("pattern", "("),
    ("group_pattern", "(a)(b)"),
    ("package", "a b"),
    ("name", "a b"),
    ("choice:a|b", "c"),
    ("choice:a|b", None),
    ("anything", float("nan")),
]


@pytest.mark.parametrize(("to", "written", "taken"), TAKEN)
def test_what_is_taken(to: str, written: object, taken: object) -> None:
    assert convert(to, written) == taken
    assert type(convert(to, written)) is type(taken)


@pytest.mark.parametrize(("to", "written"), REFUSED)
def test_what_is_refused_says_what_to_write_in_both_languages(to: str, written: object) -> None:
    with pytest.raises(UnitError) as caught:
        convert(to, written)
    assert caught.value.what.id
    assert caught.value.hint.id
    assert caught.value.hint.en


@given(
    st.sampled_from(sorted(units.CONVERTERS)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
)
def test_whatever_is_written_is_taken_or_refused(to: str, written: object) -> None:
    try:
        taken = convert(to, written)
    except UnitError:
        return
    assert convert(to, taken) == taken or to in ("size", "duration")


def test_a_quoted_version_is_advised_as_it_was_written() -> None:
    written = source.parse("1.10", "x", error=PlaybookError)
    with pytest.raises(UnitError) as caught:
        convert("string", written)
    assert caught.value.hint.en == 'put it in quotes: "1.10"'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((plain, plain.zfill(4)) for plain in ("644", "1777", "0644", "0600", "400", "0400", "440", "444", "500")),
        *(("4755", "4755"), ("04755", "4755"), ("0", "0000"), ("0o640", "0640"), ("888", "0644"), ("-644", "0644")),
    ],
)
def test_permissions_without_quotes_are_told_as_they_were_meant(written: str, meant: str) -> None:
    with pytest.raises(UnitError) as caught:
        convert("mode", source.parse(written, "x", error=PlaybookError))
    assert f'"{meant}"' in caught.value.hint.en


def test_a_name_fits_the_name_of_a_file() -> None:
    assert convert("name", "a" * 100)
    with pytest.raises(UnitError) as caught:
        convert("name", "a" * 101)
    assert "at most 100" in caught.value.what.en
