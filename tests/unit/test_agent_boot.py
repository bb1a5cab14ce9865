"""Started with the computer, and ready when all has started: units on a disk of our own making."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import requirements, snapshot
from agent.host import boot, linux, state, systemd
from agent.host.linux import LinuxHost

ARGV = ["/usr/bin/python3", "-I", "-S", "/var/lib/pasang/agent/a.pyc", "boot"]


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(boot, "FOLDER", str(tmp_path / "system"))
    monkeypatch.setattr(boot, "GENERATORS", str(tmp_path / "generators"))
    monkeypatch.setattr(systemd, "is_running", lambda: False)
    return tmp_path


@pytest.fixture
def run(tmp_path: Path) -> str:
    folder = tmp_path / "runs" / "20261122-3f9a.kilat dua%"
    folder.mkdir(parents=True)
    return str(folder)


def names(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return sorted(str(path) for path in found if path.parts[0] != "runs")


def generated(etc: Path) -> list[Path]:
    """What the generator wants in this boot of the computer."""
    (generator,) = (etc / "generators").iterdir()
    out = etc / "runs" / "out"
    out.mkdir()
    subprocess.run([generator, out, out, out], check=True)
    found = [path.resolve() for path in out.rglob("*.service")]
    shutil.rmtree(out)
    return found


def test_a_unit_that_is_there_while_the_run_is(etc: Path, run: str) -> None:
    boot.arrange(run, [*ARGV, run])
    unit = "pasang-boot-20261122-3f9a.kilat-dua-"
    assert names(etc) == ["generators", "generators/" + unit, "system", f"system/{unit}.service"]
    said = configparser.ConfigParser(interpolation=None, strict=False)
    said.optionxform = str  # type: ignore[assignment,method-assign]
    said.read_string((etc / "system" / f"{unit}.service").read_text())
    assert said["Service"]["ExecStart"].endswith(' "boot" "' + run.replace("%", "%%") + '"')
    assert said["Service"]["Restart"] == "on-failure"
    assert said["Unit"]["ConditionPathExists"] == run.replace("%", "%%")
    boot.forget(run)
    assert names(etc) == ["system"]
    boot.forget(run)


def test_it_is_wanted_in_every_boot_but_that_of_the_run(etc: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boot.arrange(run, [*ARGV, run])
    assert generated(etc) == []
    monkeypatch.setattr(linux, "boot_id", lambda: "an-earlier-one")
    boot.arrange(run, [*ARGV, run])
    assert generated(etc) == list((etc / "system").glob("*.service"))
    Path(run, boot.BOOT).unlink()
    assert generated(etc) == list((etc / "system").glob("*.service")), "its disk is not there yet"


def test_arranged_twice_it_is_written_once_and_mended_where_it_is_half(etc: Path, run: str) -> None:
    boot.arrange(run, [*ARGV, run])
    (unit,) = (etc / "system").iterdir()
    written = unit.stat().st_ino
    boot.arrange(run, [*ARGV, run])
    assert unit.stat().st_ino == written
    unit.write_text("[Unit")
    shutil.rmtree(etc / "generators")
    boot.arrange(run, [*ARGV, run])
    assert "ExecStart" in unit.read_text()
    assert generated(etc) == []


@pytest.mark.parametrize("call", ["unlink", "rmdir"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_is_taken_away_nothing_stays(
    etc: Path, run: str, monkeypatch: pytest.MonkeyPatch, call: str, moment: str
) -> None:
    real = getattr(os, call)

    def dies(path: str) -> None:
        if moment == "after":
            real(path)
        raise KeyboardInterrupt

    boot.arrange(run, [*ARGV, run])
    with monkeypatch.context() as killed:
        killed.setattr(os, call, dies)
        with pytest.raises(KeyboardInterrupt):
            boot.forget(run)
    boot.forget(run)
    assert names(etc) == ["system"]


def test_a_unit_that_cannot_be_written_leaves_no_folder(etc: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(etc / "system")
    (etc / "system").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        boot.arrange(run, [*ARGV, run])
    boot.forget(run)
    assert names(etc) == ["system"]


def test_a_snapshot_knows_it_as_ours(etc: Path, run: str) -> None:
    reader = snapshot.FileReader(state, {})
    boot.arrange(run, [*ARGV, run])
    (etc / "system" / "lain.service").write_text("")
    for folder in ("system", "generators"):
        reader.read(str(etc / folder))
    assert sorted(Path(path).name for path in reader.files) == ["generators", "lain.service", "system"]


def test_ready_when_started_and_without_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([("starting", 4), ("running", 1), ("degraded", 0), ("running", 0)])
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(linux, "state", lambda: next(said))
    monkeypatch.setattr(
        linux,
        "time",
        SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda s: setattr(clock, "now", clock.now + s)),
    )
    assert LinuxHost(str(tmp_path)).ready() == {"system": "degraded", "seconds": 0.4}


def test_it_is_not_waited_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(linux, "state", lambda: ("starting", 1))
    monkeypatch.setattr(
        linux,
        "time",
        SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda s: setattr(clock, "now", clock.now + s)),
    )
    found = LinuxHost(str(tmp_path)).ready()
    assert found["system"] == "starting"
    assert linux.READY_S <= found["seconds"] < linux.READY_S + 1


@pytest.mark.parametrize(
    ("variant", "is_asked"),
    [
        ({"install": [{"kind": "deb", "reboot": "never"}]}, False),
        ({"install": [{"kind": "deb", "reboot": "if_needed"}]}, True),
        ({"configure": {"actions": [{"kind": "file", "reboot": "always"}]}}, True),
        ({"reboot": "always"}, True),
        ({"uninstall": [{"kind": "file", "reboot": "always"}]}, False),
    ],
)
def test_step_4_says_who_can_reboot_the_computer(
    monkeypatch: pytest.MonkeyPatch, variant: dict[str, Any], is_asked: bool
) -> None:
    assert requirements.may_reboot(variant) is is_asked
    host: Any = SimpleNamespace(os="linux")
    monkeypatch.setattr(boot, "is_possible", lambda _: True)
    assert requirements.reboot(host)["verdict"] == "met"
    monkeypatch.setattr(boot, "is_possible", lambda _: False)
    row = requirements.reboot(host)
    assert (row["verdict"], row["reason"]["id"][:10]) == ("unknown", "bila perlu")
