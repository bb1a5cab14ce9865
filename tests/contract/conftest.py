"""Contracts that need real computers use those of the lab, and OpenSSH's own server on this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.computers import LabComputer
from tests.contract.transports import Server, sshd
from tests.lab.fixtures import *  # noqa: F403
from tests.lab.fixtures import Boot
from tests.postgresql import postgresql  # noqa: F401


@pytest.fixture(scope="module")
def computer(boot_module: Boot) -> LabComputer:
    [host] = boot_module()
    return LabComputer(host)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'pasang.sqlite3'}"
    return str(request.getfixturevalue("postgresql").create())


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    folder = tmp_path / "debs"
    folder.mkdir()
    return folder
