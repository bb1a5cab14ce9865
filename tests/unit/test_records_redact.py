"""No spelling of a secret passes; nothing else is touched."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.records import Redactor
from controller.records.redact import spellings
from controller.settings import Secret

SECRET = 'kata "sandi"/ß&1'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        f"password={SECRET} ok",
        json.dumps({"p": SECRET}),
        json.dumps({"p": SECRET}, ensure_ascii=False),
        json.dumps(json.dumps({"p": SECRET})),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"admin:{SECRET}".encode()).decode(),
        base64.b64encode(f"ab:{SECRET} and more".encode()).decode(),
        base64.urlsafe_b64encode(f"x{SECRET}".encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_every_spelling_is_replaced(spelled: str) -> None:
    redacted = Redactor([SECRET]).redact({"output": f"<{spelled}>", "list": [{spelled: 1}]})
    assert "***" in redacted["output"]
    assert spelled not in json.dumps(redacted, ensure_ascii=False)
    for part in (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("=")[:-1], quote(SECRET)):
        assert part not in json.dumps(redacted, ensure_ascii=False)


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_never_comes_out_as_it_went_in(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    assert secret not in redactor.text(before + secret + after).replace("***", "")


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_base64_hides_nothing_whatever_stands_around(before: bytes, after: bytes) -> None:
    secret = b"rahasia-besar-2026"
    encoded = base64.b64encode(before + secret + after).decode()
    redacted = Redactor([secret.decode()]).text(encoded)
    assert redacted.count("***") == 1
    # 18 bytes decide at least 22 characters by themselves, wherever they begin: all of those must be gone.
    assert len(redacted) - len("***") <= len(encoded) - 22


def test_the_longest_is_replaced_first() -> None:
    assert Redactor(["sandi", "sandi-panjang"]).text("sandi-panjang sandi") == "*** ***"


def test_a_short_secret_is_replaced_only_where_it_is_the_whole_string() -> None:
    redactor = Redactor(["abc"])
    assert redactor.redact({"a": "abc", "b": "abcd", "c": ["abc", "x abc"]}) == {
        "a": "***",
        "b": "abcd",
        "c": ["***", "x abc"],
    }


def test_each_line_of_a_private_key_is_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nAoIBAQC7VJTUt9Us\n-----END KEY-----\n"
    redactor = Redactor([Secret(key)])
    assert redactor.text("got MIIEvQIBADANBgkq here") == "got *** here"
    assert redactor.text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"
    assert redactor.text(f"<{key}>") == "<***>"


def test_numbers_and_records_without_secrets_are_left_alone() -> None:
    record = {"type": "effect", "size_bytes": 12345, "evidence": {"output": ["baik"], "exit_code": 0}}
    assert Redactor(["12345", "x" * 8]).redact(record) is record
    assert Redactor([""]).redact(record) is record
    assert Redactor().redact(record) is record


def test_a_secret_prints_as_stars() -> None:
    assert str(Secret("rahasia")) == repr(Secret("rahasia")) == "***"


@pytest.mark.parametrize(
    ("secret", "spelled"),
    [
        ('Kunci "A" 1', 'MODE="Kunci ""A"" 1"'),
        ('a\\b\\"c', '"--key=a\\b\\\\\\"c"'),
        ("akhir\\", '"akhir\\\\"'),
    ],
)
def test_windows_has_ways_of_its_own_to_quote(secret: str, spelled: str) -> None:
    assert Redactor([secret]).text(f"msiexec /i a.msi {spelled}").count("***") == 1
    assert not [part for part in (secret, spelled.strip('"')) if part in Redactor([secret]).text(spelled)]
    assert any(spelling in spelled for spelling in spellings([secret]))
