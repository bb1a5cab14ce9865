"""The playbooks that come with Pasang are whole: they validate, and their payloads are what their sources say."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from controller.playbook import load

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.glob("*/playbook.yaml")), ids=lambda p: p.parent.name)
def test_every_playbook_validates_and_its_payloads_are_as_it_says(path: Path) -> None:
    playbook = load(str(path))
    for payload in playbook.payloads.values():
        file = path.parent / (payload.file or "")
        if file.is_file():
            assert hashlib.sha256(file.read_bytes()).hexdigest() == payload.digest


def test_salams_archive_holds_salams_source() -> None:
    folder = PLAYBOOKS / "salam"
    with tarfile.open(folder / "salam-1.0.0.tar.gz") as archive:
        packed = archive.extractfile("salam-1.0.0/salam.py")
        assert packed is not None
        assert packed.read() == (folder / "salam-1.0.0" / "salam.py").read_bytes()
