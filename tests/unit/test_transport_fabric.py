"""ssh_config means to us what it means to fabric, which was not written here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from fabric import Config, Connection

from controller.transport.base import Options
from controller.transport.ssh import config

SSH_CONFIG = """
Host gerbang
    HostName 192.0.2.1
    Port 2222
    User penjaga

Host loket-*
    HostName %h.example.invalid
    User petugas
    ProxyJump gerbang

Host loket-02
    Port 2022

Host *
    User umum
"""


@pytest.mark.parametrize("host", ["gerbang", "loket-01", "loket-02", "lain.example.invalid"])
def test_ssh_config_means_the_same_to_fabric(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(SSH_CONFIG)
    monkeypatch.setattr(config, "_FILES", (file,))
    endpoint = SimpleNamespace(
        address=host, port=None, user=None, private_key_file=None, host_key_checking=True, extra={}
    )
    way = config.way_to(endpoint, Options())  # type: ignore[arg-type]
    theirs = Connection(host, config=Config(runtime_ssh_path=str(file)))
    assert (way.host, way.port, way.user) == (theirs.host, theirs.port, theirs.user)
    jumps = [theirs.gateway.original_host] if isinstance(theirs.gateway, Connection) else []
    assert [jump.split("@")[-1].split(":")[0] for jump in way.jumps] == jumps
