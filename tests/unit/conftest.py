"""Fakes that tests of several modules share."""

from __future__ import annotations

import os
import types

import pytest

from agent import managers
from agent.probes import process, service
from agent.requirements import room
from tests.unit.computer import MB
from tests.unit.probing import Clock, Computer


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(process, "time", clock)
    monkeypatch.setattr(service, "time", clock)
    monkeypatch.setattr(managers, "time", clock)
    return clock


@pytest.fixture
def computer(tmp_path, monkeypatch, clock):
    return Computer(tmp_path, monkeypatch, clock)


@pytest.fixture
def disks(monkeypatch):
    """Filesystems by mount point: (device, free bytes for anybody, flags)."""
    mounted = {"/": (1, 1000 * MB, 0)}

    def mount_of(path):
        while path not in mounted:
            path = os.path.dirname(path)
        return mounted[path]

    def statvfs(path):
        _, free, flags = mount_of(path)
        return types.SimpleNamespace(
            f_frsize=4096,
            f_blocks=10**9,
            f_bavail=free // 4096,
            f_bfree=10**9,
            f_flag=flags,
            f_files=1000,
            f_favail=500,
        )

    def stat(path):
        return types.SimpleNamespace(st_dev=mount_of(path)[0])

    monkeypatch.setattr(
        room, "os", types.SimpleNamespace(path=os.path, stat=stat, statvfs=statvfs, ST_RDONLY=os.ST_RDONLY)
    )
    return mounted
