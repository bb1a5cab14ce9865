"""Computers of the lab that cannot be reached, each for a reason of its own, among good ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office

WRONG = "sandi-salah-9918"


def mixed_fleet(boot: Boot, office: Office) -> tuple[dict[str, Host], Path]:
    """Good and bad computers, each with its own trouble, in one inventory."""
    hosts: dict[str, Host] = {}
    for base in ("bullseye", "trixie", "bare"):
        (hosts[base],) = boot(base)
    names = ("bookworm", "sudo", "operator", "refusing", "off", "unknown", "changed", "password")
    hosts |= dict(zip(names, boot("bookworm", len(names)), strict=True))
    office.trust()
    known = (office.home / "known_hosts").read_text().splitlines(keepends=True)
    kept = [line for line in known if not line.startswith(f"{hosts['unknown'].name},")]
    (office.home / "known_hosts").write_text("".join(kept))
    hosts["changed"].change_host_key()
    hosts["changed"].run(["systemctl", "restart", "ssh"])
    hosts["off"].cut_line()
    rows: dict[str, dict[str, Any]] = {
        "sudo": {"ansible_user": "petugas", "ansible_become": True, "owner": "Tamu"},
        "operator": {
            "ansible_user": "operator",
            "ansible_ssh_private_key_file": "",
            "ansible_password": PASSWORD,
            "ansible_become": True,
            "ansible_become_password": PASSWORD,
        },
        "refusing": {"ansible_port": 2222},
        "off": {"ansible_timeout": 3},
        "password": {"ansible_user": "operator", "ansible_ssh_private_key_file": "", "ansible_password": WRONG},
        "trixie": {"location": "data_center", "site": "Ruang server"},
    }
    inventory = office.inventory(list(hosts.values()), rows={hosts[name].name: row for name, row in rows.items()})
    return hosts, inventory
