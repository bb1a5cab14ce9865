"""Searching in what others wrote."""

from __future__ import annotations

import re

import pytest

from agent.probes import CannotTell, patterns


def test_only_the_end_of_a_text_is_searched():
    content = "early" + "x" * patterns.TEXT_LIMIT
    assert patterns.search("early", content) is None
    assert patterns.search("x$", content) is not None


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<a", "[z-a]"])
def test_not_a_pattern(pattern):
    with pytest.raises(CannotTell, match=re.escape(pattern)):
        patterns.search(pattern, "x")


def test_a_value_that_fits_a_table():
    assert patterns.short("a\n  b") == "“a b”"
    assert len(patterns.short("y" * 500)) < 90
