"""Fixtures of the lab; `from tests.lab.fixtures import *` in the conftest.py of a folder whose tests need computers.

`lab` is one network for the whole session, `boot` makes computers that live as long as the test (about half a second
each), `boot_module` as long as the tests of one file.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.lab.hosts import Host, HostSpec
from tests.lab.lab import Lab

__all__ = ["Boot", "boot", "boot_module", "lab"]


class Boot(Protocol):
    """Boots computers; they are thrown away at the end of the test, or of the file."""

    def __call__(
        self, base: str = "bookworm", count: int = 1, *, disk_mb: int | None = None, sshd: str = ""
    ) -> list[Host]: ...


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A network without computers; everything on it ends with the session, however that ends."""
    if os.geteuid() != 0:
        reason = "the lab boots real computers in namespaces, which needs root"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"{reason}; where CI is set these tests may not be skipped")
        pytest.skip(reason)
    with Lab.create() as created:
        yield created


@pytest.fixture
def boot(lab: Lab) -> Iterator[Boot]:
    """Boots computers for one test."""
    yield from _boots(lab)


@pytest.fixture(scope="module")
def boot_module(lab: Lab) -> Iterator[Boot]:
    """Boots computers for all tests of a file; they must not mind each other."""
    yield from _boots(lab)


def _boots(lab: Lab) -> Iterator[Boot]:
    made: list[Host] = []

    def boots(base: str = "bookworm", count: int = 1, *, disk_mb: int | None = None, sshd: str = "") -> list[Host]:
        free = (f"pc{number}" for number in itertools.count(1) if f"pc{number}" not in lab.hosts)
        hosts = lab.add([HostSpec(name, base, disk_mb, sshd) for name in itertools.islice(free, count)])
        made.extend(hosts)
        return hosts

    yield boots
    lab.remove(made)
