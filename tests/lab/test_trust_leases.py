"""Two controllers, or one computer under two names: never two at work, and the second is told by whom it is held."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.office import Office, Run, kill, quiet, wait_for
from tests.lab.readout import packages
from tests.lab.test_spine_recovery import gated, has_ended, is_installing, open_gate
from tests.postgresql import Server


def second(lab: Lab, folder: Path, **environment: str) -> Office:
    other = Office(lab, folder / "other", **environment)
    other.trust()
    return other


def named(inventory: Path, names: dict[str, str]) -> Path:
    """The inventory with its computers under other names, or under several."""
    content = json.loads(inventory.read_text())
    hosts = content["all"]["children"]["loket"]["hosts"]
    content["all"]["children"]["loket"]["hosts"] = {name: hosts[former] for name, former in names.items()}
    path = inventory.with_name(f"named-{inventory.name}")
    path.write_text(json.dumps(content))
    return path


def installed_once(host: Host) -> None:
    assert packages(host)["loket"] == "1.0 install ok installed"
    log = (host.root / "var/log/dpkg.log").read_text()
    assert len(re.findall(r" install loket:all <none> 1\.0$", log, re.MULTILINE)) == 1


def held(done: Run, host: str) -> dict[str, Any]:
    """What the summary says of who has a computer."""
    row = done.host(host)
    assert row["outcome"] == "not_started", row
    holder: dict[str, Any] = row["holder"]
    assert re.fullmatch(r"\S+@\S+", holder["owner"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", holder["until"])
    for part in (holder["owner"], holder["run"], holder["since"], "more at most"):
        assert part in row["reason"], row
    return holder


def test_two_controllers_that_know_nothing_of_each_other(boot: Boot, lab: Lab, office: Office, tmp_path: Path) -> None:
    """The second does the free one, says who has the other, and may wait for it; under another name it is the same."""
    busy, free = boot("bookworm", 2)
    office.trust()
    other = second(lab, tmp_path)
    quiet(busy)
    playbook = gated(tmp_path / "playbook")
    first = office.start("install", playbook, "-i", office.inventory([busy]))
    wait_for(lambda: is_installing(busy), "the first at work")
    both = other.inventory([busy, free])
    open_gate(free)
    done = other.do("install", playbook, both)
    assert (done.code, done.host(free.name)["outcome"]) == (1, "installed"), done.summary
    ((run,),) = office.rows("select id from run")
    assert (held(done, busy.name)["run"], held(done, busy.name)["host"]) == (f"{run}.loket", busy.name)
    shown = other.pasang("form", "show", done.host(busy.name)["form"]).out
    assert run in re.sub(r"\s", "", shown)
    aliased = other.do("install", playbook, named(both, {"loket-7": busy.name}))
    assert held(aliased, "loket-7")["host"] == busy.name, "whatever it is called, it is held"
    waiting = other.start("install", playbook, "-i", both, "-l", busy.name, "--json", "--wait", "2m")
    wait_for(lambda: '"type": "held"' in other.said(), "the second waiting")
    assert waiting.poll() is None
    open_gate(busy)
    assert first.wait(timeout=60) == 0, office.said()
    assert waiting.wait(timeout=60) == 0, other.said()
    assert json.loads(other.said().splitlines()[-1])["hosts"][busy.name]["outcome"] == "already_installed"
    installed_once(busy)
    assert json.loads((busy.root / "var/lib/pasang/lock").read_text()) == {}


def test_two_controllers_with_one_database(
    boot: Boot, lab: Lab, office: Office, tmp_path: Path, postgresql: Server
) -> None:
    """The record tells before any contact; a controller that was killed is followed by the next one at once."""
    (host,) = boot()
    url = postgresql.create()
    office.environment = {"PASANG_DATABASE_URL": url}
    office.trust()
    other = second(lab, tmp_path, PASANG_DATABASE_URL=url)
    quiet(host)
    playbook, inventory = gated(tmp_path / "playbook"), office.inventory([host])
    first = office.start("install", playbook, "-i", inventory)
    wait_for(lambda: is_installing(host), "the first at work")
    done = other.do("install", playbook, inventory)
    holder = held(done, host.name)
    assert "should its controller have died" in done.host(host.name)["reason"]
    assert not any(event["type"] == "connected" for event in done.events), "it was not even contacted"
    followed = other.pasang("resume", "-i", inventory, "--json")
    assert followed.outcomes == {host.name: "running"}
    assert holder["owner"] in followed.host(host.name)["reason"]
    assert kill(first) == -signal.SIGKILL
    open_gate(host)
    resumed = other.pasang("resume", "-i", inventory, "--json")
    assert (resumed.code, resumed.outcomes) == (0, {host.name: "installed"}), resumed.summary
    installed_once(host)


def test_one_order_with_one_computer_under_two_names(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    playbook = gated(tmp_path / "playbook")
    open_gate(host)
    inventory = named(office.inventory([host]), {"loket-7": host.name, "loket-lama": host.name})
    done = office.do("install", playbook, inventory)
    outcomes = sorted(done.outcomes.values())
    assert (done.code, outcomes) == (1, ["installed", "not_started"]), done.summary
    worked = next(name for name, outcome in done.outcomes.items() if outcome == "installed")
    (refused,) = {"loket-7", "loket-lama"} - {worked}
    reason = done.host(refused)["reason"]
    assert worked in reason, reason
    assert has_ended(host)
    installed_once(host)
    assert office.form(done.host(refused)["form"])["outcome"] == "not_started"
