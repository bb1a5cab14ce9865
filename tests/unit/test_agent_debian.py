"""Debian's rules: versions, relations, and what dpkg's complaints mean."""

from __future__ import annotations

import pytest

from agent.debian import Offer, compare, holds, paragraphs, parse_provides, parse_relations, satisfied, write_relations
from agent.debian.database import with_conffiles
from agent.debian.dpkg import reason_of

ORDERED = [
    "0",
    "1.0~~",
    "1.0~~a",
    "1.0~rc1",
    "1.0",
    "1.0-0ubuntu1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-9",
    "1.0-10",
    "1.0a",
    "1.0+dfsg",
    "1.0.1",
    "1.10",
    "2",
    "1:0.1",
    "2:0",
]


def test_versions_in_order() -> None:
    for i, left in enumerate(ORDERED):
        for j, right in enumerate(ORDERED):
            order = compare(left, right)
            assert (order < 0, order == 0, order > 0) == (i < j, i == j, i > j), (left, right)


@pytest.mark.parametrize(("left", "right"), [("1.0", "0:1.0"), ("1.0", "1.00"), ("1.0-0", "1.0"), ("01", "1")])
def test_versions_that_are_the_same(left: str, right: str) -> None:
    assert compare(left, right) == 0


@pytest.mark.parametrize("operator", ["<<", "<=", "=", ">=", ">>", "<", ">", ""])
def test_every_operator(operator: str) -> None:
    found = [holds(version, operator, "2") for version in ("1", "2", "3")]
    assert (
        found
        == {
            "<<": [True, False, False],
            "<=": [True, True, False],
            "<": [True, True, False],
            "=": [False, True, False],
            ">=": [False, True, True],
            ">": [False, True, True],
            ">>": [False, False, True],
            "": [True, True, True],
        }[operator]
    )


def test_relations_are_read_and_written() -> None:
    field = "libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0,\n python3:any (>= 3.11~),  a|b [amd64] | c (<<1:2)"
    groups = parse_relations(field)
    assert [write_relations(group) for group in groups] == [
        "libc6 (>= 2.34)",
        "debconf (>= 0.5) | debconf-2.0",
        "python3:any (>= 3.11~)",
        "a | b | c (<< 1:2)",
    ]
    assert groups[2][0].architecture == "any"
    assert parse_relations("") == []


@pytest.mark.parametrize(
    ("relation", "answer"),
    [
        ("mta", True),  # provided without a version
        ("mta (>= 1)", False),  # … which satisfies no versioned need
        ("api (= 3)", True),
        ("api (>= 4)", False),
        ("lib", True),
        ("lib:any", True),
        ("lib (>> 1.0)", False),
        ("tool", True),  # another architecture, but Multi-Arch: foreign
        ("plugin", False),  # another architecture
        ("plugin:i386", True),
        ("data", True),
        ("nothing", False),
    ],
)
def test_what_satisfies(relation: str, answer: bool) -> None:
    lib = Offer("1.0", "amd64", False)
    offers = {
        "lib": [lib],
        "tool": [Offer("1", "i386", True)],
        "plugin": [Offer("1", "i386", False)],
        "data": [Offer("1", "all", False)],
    }
    provided = {name: [offer] for name, offer in parse_provides("mta, api (= 3)", lib).items()}
    [[one]] = parse_relations(relation)
    assert satisfied(one, offers=offers, provided=provided, architecture="amd64") is answer


def test_paragraphs_keep_what_continues() -> None:
    text = "Package: a\nConffiles:\n /etc/a 0123\n /etc/b 4567 obsolete\nVersion: 1\n\nPackage: b\n\n\n"
    assert list(paragraphs(text)) == [
        {"Package": "a", "Conffiles": "\n /etc/a 0123\n /etc/b 4567 obsolete", "Version": "1"},
        {"Package": "b"},
    ]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "dpkg: error processing package x (--install):\n installed x package post-installation script subprocess"
            " returned error exit status 3",
            "The post-installation script of package x failed (3).",
        ),
        (
            "dpkg: error processing archive /a.deb (--install):\n new x package pre-installation script subprocess was"
            " killed by signal (Killed)",
            "The pre-installation script of package x failed (Killed).",
        ),
        (
            "dpkg: error processing archive a.deb (--install):\n trying to overwrite '/usr/bin/x', which is also in"
            " package y 1.0",
            "The file /usr/bin/x belongs to package y.",
        ),
        ("dpkg-deb: error: failed to write (No space left on device)", "The disk is full."),
        ("dpkg-deb: error: 'a.deb' is not a Debian format archive", "The package file is damaged."),
        ("E: Unable to locate package tidak-ada", "dpkg refuses: E: Unable to locate package tidak-ada"),
        (
            "Created symlink /etc/systemd/system/x.service -> /lib/x.service.\n"
            "dpkg: error processing package x (--configure):\n installed x package post-installation script"
            " subprocess returned error exit status 1",
            "The post-installation script of package x failed (1).",
        ),
        (
            "Setting up x (1) ...\nx: the licence server does not answer\n"
            "debconf: delaying package configuration, since apt-utils is not installed\n"
            "Created symlink /etc/systemd/system/x.service -> /lib/x.service.\n"
            "dpkg: error processing package x (--configure):\n installed x package post-installation script"
            " subprocess returned error exit status 1",
            "The post-installation script of package x failed (1): x: the licence server does not answer.",
        ),
        (
            'invoke-rc.d: initscript x, action "start" failed.\n● x.service - X\n     Loaded: loaded\n'
            "    Process: 9 ExecStart=/usr/bin/x\nJan 02 03:04:05 pc x[9]: bind() failed\n"
            "Jan 02 03:04:05 pc systemd[1]: Failed to start x.service - X.\n"
            "dpkg: error processing package x (--configure):\n installed x package post-installation script"
            " subprocess returned error exit status 1",
            "The post-installation script of package x failed (1): Jan 02 03:04:05 pc x[9]: bind() failed.",
        ),
        ("Preparing to unpack x.deb ...\nout of memory\nProcessing triggers for y ...", "dpkg refuses: out of memory"),
        (
            "W: Failed to fetch http://u:p@mirror.invalid:81/debian/x/InRelease  Could not resolve 'mirror.invalid'",
            "The package mirror mirror.invalid:81 is out of reach (Could not resolve 'mirror.invalid'). Check this"
            " computer's network and its sources in /etc/apt, or bring the packages as payloads.",
        ),
        (
            "E: Failed to fetch http://mirror.invalid/debian/x.deb  404  Not Found [IP: 192.0.2.1 80]",
            "The package mirror mirror.invalid does not give it (404  Not Found [IP: 192.0.2.1 80]). Check this"
            " computer's network and its sources in /etc/apt, or bring the packages as payloads.",
        ),
        ("", "dpkg refuses: ?"),
    ],
)
def test_complaints_in_a_sentence(output: str, says: str) -> None:
    reason = reason_of(output)
    assert reason["en"] == says
    assert reason["id"]


@pytest.mark.parametrize("former", ["Conffiles:\n /etc/a 111\n /etc/b 222 obsolete\n", ""])
@pytest.mark.parametrize("conffiles", ["\n /etc/a 333", ""])
def test_what_dpkg_knows_of_conffiles_is_exchanged_alone(former: str, conffiles: str) -> None:
    rest = "Depends: x,\n y\nDescription: a\n b\n .\n c\n"
    other = f"Package: a\nVersion: 1\nArchitecture: i386\nConffiles:\n /etc/a 9\n{rest}"
    status = f"{other}\nPackage: a\nArchitecture: amd64\nVersion: 1\n{former}{rest}\nPackage: b\nStatus: x\n"
    wanted = f"Conffiles:{conffiles}\n" if conffiles else ""
    assert with_conffiles(status, "a", "amd64", conffiles) == (
        f"{other}\nPackage: a\nArchitecture: amd64\nVersion: 1\n{wanted}{rest}\nPackage: b\nStatus: x\n"
    )
