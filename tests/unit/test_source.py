"""YAML as people wrote it: plain words as Ansible reads them, lines, and bombs that do not go off."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import PlaybookError
from controller.source import Map, Seq, line_of, nearest, parse, resolve

OURS_ALONE = re.compile(r"[-+]?0o.*|.*:.*|[0-9]{4}-.*|=|<<|[-+]?[0-9._]*_[0-9._]*")
"""What we read otherwise on purpose: octal of YAML 1.2; no base 60, dates, or tags without a name."""


@given(
    st.from_regex(r"[-+]?[0-9._xboeE+-]{1,8}|[-+]?\.(inf|nan|Inf|NaN)", fullmatch=True)
    | st.sampled_from(["yes", "No", "ON", "off", "true", "False", "null", "~", "Null", "y", "n", "tRue", "0644", "1e3"])
)
def test_plain_words_mean_what_they_mean_to_ansible(word: str) -> None:
    if OURS_ALONE.fullmatch(word):
        return
    try:
        theirs = yaml.safe_load(f"[{word}]")[0]
    except (yaml.YAMLError, ValueError, TypeError):
        return
    ours = resolve(word)
    assert ours == theirs or (isinstance(theirs, float) and math.isnan(theirs) and math.isnan(float(ours or 0)))
    assert isinstance(ours, type(theirs))


@given(
    st.recursive(
        st.text(max_size=5) | st.integers() | st.booleans() | st.none(),
        lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=5), t, max_size=3),
    )
)
def test_what_was_written_is_read_back(value: Any) -> None:
    assert parse(yaml.safe_dump(value), "x", error=PlaybookError) == value


def test_every_key_and_entry_knows_its_line() -> None:
    root = parse("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3,\n        f: 4}\n", "x", error=PlaybookError)
    places: list[tuple[str | int, ...]] = [
        ("a",),
        ("b",),
        ("b", 1),
        ("b", 1, "d"),
        ("b", 1, "d", "f"),
        ("b", 9),
        ("z",),
    ]
    assert [line_of(root, *keys) for keys in places] == [1, 2, 4, 5, 6, 2, 1]
    assert isinstance(root["b"], Seq)
    assert isinstance(root["b"][1], Map)


def test_anchors_and_merges() -> None:
    root = parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a]\nd: {<<: [{x: 9}, *a]}\n", "x", error=PlaybookError)
    assert root == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}], "d": {"x": 9, "y": 2}}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: &a [*a]", 1, "contains itself"),
        ("a: *b", 1, "is not known"),
        ("a: 1\n\n---\nb: 2", 3, "second YAML document"),
        ("a: 1\n? [x]\n: y", 2, "a key must be text"),
        ("a: !!binary aGk=", 1, "tag '!!binary'"),
        ("a: !eigen x", 1, "tag '!eigen'"),
        ("a: {<<: 1}", 1, "'<<' needs a mapping"),
        ("a: \x07", 1, "not correct YAML"),
        ("a:\n  b: c: d", 2, "not correct YAML"),
    ],
)
def test_mistakes_have_lines(text: str, line: int, what: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        parse(text, "berkas", error=PlaybookError)
    problem = caught.value.problems[0]
    assert problem.where == f"berkas:{line}"
    assert what in problem.what.en
    assert problem.hint is not None


def test_a_number_remembers_how_it_was_written() -> None:
    assert parse("a: 1.10", "x", error=PlaybookError)["a"].text == "1.10"


@pytest.mark.parametrize(
    ("word", "near"), [("instal", ["install"]), ("RAM", ["ram_total"]), ("qq", []), ("test", ["test"])]
)
def test_the_nearest_word(word: str, near: list[str]) -> None:
    assert nearest(word, ["install", "test", "ram_total"]) == near
