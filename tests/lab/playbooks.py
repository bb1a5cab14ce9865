"""Playbooks for tests, written with the true digests of their payloads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab import debs
from tests.lab.invented import PAGE, PORT, Fault, build_loket

NGINX_VERSIONS = {"bullseye": "1.18.0", "bookworm": "1.22.1", "trixie": "1.26.3"}
NGINX_RANGES = {"bullseye": ">=11,<12", "bookworm": ">=12,<13", "trixie": ">=13"}
NGINX_CONF = """# iidc: {{ inventory_hostname }}
server {
    listen 80 default_server;
    location = /iidc { return 204; }
    location / { root /var/www/html; index index.nginx-debian.html; }
}
"""
DEBIAN = {"os": "linux", "distribution": "debian"}


def write_playbook(
    folder: Path,
    *,
    name: str,
    version: str,
    variants: Sequence[Mapping[str, Any]],
    payloads: Mapping[str, Path] | None = None,
    digests: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write `folder`/playbook.yaml with its payloads and templates beside it; return the path of the playbook.

    Args:
        folder: made where it is missing.
        name: of the software.
        version: of the software.
        variants: as the format has them. JSON is YAML, so values need no quoting of ours.
        payloads: name -> the file, which is copied beside the playbook.
        digests: name -> a digest to write instead of the true one.
        files: templates and the like, by file name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for key, path in (payloads or {}).items():
        target = folder / path.name
        if target != path:
            shutil.copyfile(path, target)
        digest = (digests or {}).get(key) or hashlib.sha256(target.read_bytes()).hexdigest()
        rows[key] = {"file": path.name, "sha256": digest}
    for file, text in (files or {}).items():
        (folder / file).write_text(text)
    content: dict[str, Any] = {
        "pasang": 1,
        "software": {"name": name, "version": version, "publisher": "Penerbit", "licence": "BSD-2-Clause"},
    }
    if rows:
        content["payloads"] = rows
    content["variants"] = list(variants)
    playbook = folder / "playbook.yaml"
    playbook.write_text(json.dumps(content, indent=1, ensure_ascii=False))
    return playbook


def nginx_playbook(
    folder: Path, bases: Sequence[str] = ("bookworm",), *, packages: Sequence[Path] = (), **changes: Any
) -> Path:
    """The real nginx, pushed: one variant a base. `packages` stand for Debian's, `changes` for sections of each."""
    payloads: dict[str, Path] = {}
    variants = []
    for base in bases:
        names = []
        for path in packages or debs.nginx(base):
            key = f"{base}-{path.name.split('_')[0]}" if len(bases) > 1 else path.name.split("_")[0]
            names.append(key)
            payloads[key] = path
        conf = {"path": "/etc/nginx/conf.d/iidc.conf", "template": "iidc.conf.j2", "mode": "0644"}
        site = {"path": "/etc/nginx/sites-enabled/default", "state": "absent"}
        actions = [{"file": conf}, {"file": site}, {"service": {"name": "nginx", "state": "reloaded"}}]
        variants.append(
            {
                "when": {**DEBIAN, "version": NGINX_RANGES[base], "arch": "x86_64"},
                "requirements": {
                    "disk_free": {"path": "/", "at_least": "50 MB"},
                    "ram_total": {"at_least": "256 MB"},
                    "ports_free": [80],
                    "commands": ["systemctl"],
                },
                "install": [{"deb": {"payloads": names}}],
                "run": [{"service": {"name": "nginx", "state": "running", "enabled": True, "stable_for": "1s"}}],
                "test": [
                    {"http": {"url": "http://127.0.0.1/", "status": 200, "contains": "nginx", "within": "10s"}},
                    {"port": {"port": 80, "process": "nginx"}},
                    {"command": {"argv": ["nginx", "-t"]}},
                ],
                "configure": {"decision": "always", "attempts": 2, "actions": actions},
                "verify": [
                    {"http": {"url": "http://127.0.0.1/iidc", "status": 204, "within": "5s"}},
                    {"file": {"path": "/etc/nginx/conf.d/iidc.conf", "contains": "iidc"}},
                ],
                "uninstall": [{"file": {"path": "/var/log/nginx", "state": "absent"}}],
                "watch": ["/etc/nginx", "/var/www"],
                **changes,
            }
        )
    return write_playbook(
        folder,
        name="nginx",
        version=NGINX_VERSIONS[bases[0]],
        payloads=payloads,
        variants=variants,
        files={"iidc.conf.j2": NGINX_CONF},
    )


def loket_variant(**changes: Any) -> dict[str, Any]:
    """The sections of the invented service; `changes` replace sections."""
    ask = {"url": f"http://127.0.0.1:{PORT}/", "status": 200, "contains": PAGE, "within": "3s"}
    return {
        "when": DEBIAN,
        "install": [{"deb": {"payloads": ["loket"]}}],
        "run": [{"service": {"name": "loket", "state": "running", "enabled": True, "stable_for": "1s"}}],
        "test": [{"http": ask}],
        "watch": ["/var/lib/loket"],
        **changes,
    }


def loket_playbook(
    folder: Path, version: str = "1.0", fault: Fault | None = None, *, payload: Path | None = None, **changes: Any
) -> Path:
    """The invented service, whole or broken, or out of another package; `changes` replace sections."""
    folder.mkdir(parents=True, exist_ok=True)
    deb = payload or build_loket(folder, version, fault)
    return write_playbook(
        folder, name="loket", version=version, payloads={"loket": deb}, variants=[loket_variant(**changes)]
    )
