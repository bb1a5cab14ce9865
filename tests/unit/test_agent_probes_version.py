"""Which version a program or a package says it is, and whether it is the one that was asked for."""

from __future__ import annotations

import pytest

from agent.host.linux import Package
from agent.probes import asked, version
from tests.unit.probing import MISSING, SINCE, Programs


@pytest.mark.parametrize(
    ("words", "host", "verdict", "found"),
    [
        ({"equals": "1.22.1"}, Programs(err="nginx version: nginx/1.22.1\n"), "passed", "1.22.1"),
        ({"equals": "1.22"}, Programs(err="nginx version: nginx/1.22.1\n"), "failed", "1.22.1"),
        ({"equals": "1.22.1.0"}, Programs(err="nginx version: nginx/1.22.1\n"), "passed", "1.22.1"),
        ({"range": ">=1.20,<2"}, Programs(1, out="nginx/1.22.1"), "passed", "1.22.1"),
        ({"range": ">=1.9"}, Programs(out="nginx/1.10"), "passed", "1.10"),
        ({"range": ">=2"}, Programs(out="nginx/1.22.1"), "failed", "1.22.1"),
        ({"equals": "1"}, Programs(out="no version here"), "failed", "-"),
        ({"equals": "1"}, Programs(trouble=MISSING), "failed", "-"),
        ({"equals": "1"}, Programs(None), "failed", "-"),
        ({"equals": "1", "pattern": "("}, Programs(out="1"), "unknown", "?"),
        ({"equals": "main", "pattern": "on (.*)"}, Programs(out="on main\n"), "passed", "main"),
        ({"range": ">=1", "pattern": "on (.*)"}, Programs(out="on main\n"), "unknown", "main"),
    ],
)
def test_version_of_a_program(words, host, verdict, found):
    spec = {"kind": "version", "argv": ["nginx", "-v"], "pattern": r"nginx/([\d.]+)", **words}
    answer = asked(version, spec, host, SINCE)
    assert (answer.verdict, answer.found) == (verdict, found)


def test_a_version_is_found_without_a_pattern():
    host = Programs(out="OpenSSL 3.0.15 3 Sep 2024\n")
    assert (
        asked(version, {"kind": "version", "argv": ["openssl", "version"], "equals": "3.0.15"}, host, SINCE).verdict
        == "passed"
    )


def package(number, status="installed"):
    return Programs(packages={"nginx": Package(number, status, "amd64")})


@pytest.mark.parametrize(
    ("words", "host", "verdict"),
    [
        ({"equals": "1.22.1-9+deb12u1"}, package("1.22.1-9+deb12u1"), "passed"),
        ({"equals": "1.22.1-9"}, package("1.22.1-9+deb12u1"), "failed"),
        ({"equals": "1.22.1"}, package("1.22.1-9+deb12u1"), "passed"),
        ({"equals": "1.22.1"}, package("1:1.22.1-9"), "passed"),
        ({"equals": "2:1.22.1"}, package("1:1.22.1-9"), "failed"),
        ({"equals": "1.22"}, package("1.22.1-9"), "failed"),
        ({"range": ">=1.22,<1.23"}, package("1.22.1-9"), "passed"),
        ({"range": "<=1.22.1"}, package("1.22.1-9"), "passed"),
        ({"range": ">=1.22.1-10"}, package("1.22.1-9"), "failed"),
        ({"range": "<1.0"}, package("1.0~rc1-1"), "passed"),
        ({"range": ">=1"}, package("1.22.1-9", "config-files"), "failed"),
        ({"range": ">=1"}, package("1.22.1-9", "half-configured"), "failed"),
        ({"range": ">=1"}, Programs(), "failed"),
    ],
)
def test_version_of_a_package(words, host, verdict):
    assert asked(version, {"kind": "version", "package": "nginx", **words}, host, SINCE).verdict == verdict
