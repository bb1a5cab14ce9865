"""The `when:` of a variant against facts, and the order of versions behind it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.platforms import describe, describe_facts, matches
from agent.versions import compare_dotted, satisfies

BOOKWORM = {
    "os": "linux",
    "distribution": "debian",
    "like": [],
    "version": "12",
    "arch": "x86_64",
    "title": "Debian 12",
}
JAMMY = {"os": "linux", "distribution": "ubuntu", "like": ["debian"], "version": "22.04", "arch": "aarch64"}
SID = {"os": "linux", "distribution": "debian", "like": [], "version": "", "arch": "x86_64", "title": "Debian sid"}
TUMBLEWEED = {
    "os": "linux",
    "distribution": "opensuse-tumbleweed",
    "like": ["suse"],
    "version": "20261101",
    "arch": "x86_64",
}


@pytest.mark.parametrize(
    ("when", "facts"),
    [
        ({}, BOOKWORM),
        ({"os": "linux"}, BOOKWORM),
        ({"os": ["windows", "linux"]}, BOOKWORM),
        ({"os": "linux", "distribution": "debian", "version": ">=12", "arch": "x86_64"}, BOOKWORM),
        ({"arch": "amd64"}, BOOKWORM),
        ({"arch": "arm64"}, JAMMY),
        ({"arch": ["amd64", "arm64"]}, JAMMY),
        ({"distribution": "Debian"}, BOOKWORM),
        ({"distribution": ["ubuntu", "debian"]}, JAMMY),
        ({"like": "debian"}, BOOKWORM),
        ({"like": "debian"}, JAMMY),
        ({"version": 12}, BOOKWORM),
        ({"version": ["11", "12"]}, BOOKWORM),
        ({"version": ">=12,<14"}, BOOKWORM),
        ({"version": "22"}, JAMMY),
        ({"version": ">=22.04,<24.04"}, JAMMY),
        ({"version": ">=20.10"}, JAMMY),
        ({"distribution": "opensuse-tumbleweed", "version": ">=20260101"}, TUMBLEWEED),
    ],
)
def test_holds(when, facts):
    assert matches(when, facts) == (True, None)


@pytest.mark.parametrize(
    ("when", "facts", "said"),
    [
        ({"os": "windows"}, BOOKWORM, "operating system"),
        ({"distribution": "debian"}, JAMMY, "ubuntu"),
        ({"like": "rhel"}, JAMMY, "debian"),
        ({"arch": "arm64"}, BOOKWORM, "x86_64"),
        ({"version": ">=13"}, BOOKWORM, "12"),
        ({"version": "1"}, BOOKWORM, "12"),
        ({"version": ["10", "11"]}, BOOKWORM, "10 | 11"),
        ({"version": ">=12,<12"}, BOOKWORM, "12"),
        ({"version": ">=12"}, SID, "does not state its version"),
        ({"version": "~~"}, BOOKWORM, "cannot be compared"),
        ({"distribution": "debian"}, {"os": "linux"}, "cannot be told"),
        ({"desktop": "gnome"}, BOOKWORM, "desktop"),
    ],
)
def test_does_not_hold_and_says_why(when, facts, said):
    holds, reason = matches(when, facts)
    assert holds is False
    assert said in reason["en"]
    assert reason["id"] != reason["en"]


def test_one_line_for_the_form():
    when = {"os": "linux", "distribution": "debian", "version": ">=12", "arch": "x86_64"}
    assert describe(when) == "debian >=12 x86_64"
    assert describe({"os": "linux"}) == "linux"
    assert describe_facts(BOOKWORM) == "debian 12 x86_64"
    assert describe_facts(SID) == "debian x86_64"


ORDER = [
    "0.9",
    "1.0dev1",
    "1.0alpha",
    "1.0a2",
    "1.0-beta.2",
    "1.0rc1",
    "1.0",
    "1.0.1",
    "1.2",
    "1.9",
    "1.10",
    "1.10.0w",
    "2",
    "10",
]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ORDER)))
def test_order(older, newer):
    assert compare_dotted(older, newer) == -1
    assert compare_dotted(newer, older) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("1.2", "1.2.0"), ("v3.1", "3.1"), ("1.4+build7", "1.4"), ("OpenSSH_9.2p1", "openssh 9.2p1")]
)
def test_the_same(one, other):
    assert compare_dotted(one, other) == 0


@given(st.lists(st.integers(0, 99), min_size=1, max_size=5), st.lists(st.integers(0, 99), min_size=1, max_size=5))
def test_numbers_compare_as_numbers(left, right):
    length = max(len(left), len(right))
    padded = [part + [0] * (length - len(part)) for part in (left, right)]
    expected = (padded[0] > padded[1]) - (padded[0] < padded[1])
    assert compare_dotted(".".join(map(str, left)), ".".join(map(str, right))) == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_anything_can_be_asked(version, wanted):
    assert satisfies(version, wanted) in (True, False, None)
    assert compare_dotted(version, wanted) == -compare_dotted(wanted, version)


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("22.04.3", "22.04", True),
        ("22.041", "22.04", False),
        ("12", "12.5", False),
        ("12.7", "12.*", True),
        ("12", "!=12", False),
        ("12", "!=11", True),
        ("12", "==12.0", True),
        ("1.2rc1", "1.2", False),
        ("", ">=1", None),
        ("trixie/sid", ">=12", None),
        ("12", "", None),
        ("12", ["x", "12"], True),
        ("12", ["x", "11"], None),
        ("12", ">=13,x", False),
    ],
)
def test_satisfies(version, wanted, expected):
    assert satisfies(version, wanted) is expected
