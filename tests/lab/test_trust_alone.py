"""Nobody asks any more: the agent decides alone, over kills, boots and power cuts, and it is read days later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office, quiet, read_at_rest, same, units_of_ours, wait_for
from tests.lab.playbooks import loket_playbook
from tests.lab.readout import packages, read

CONFIGURE = {"decision": "ask", "actions": [{"file": {"path": "/etc/loket/iidc.conf", "content": "iidc"}}]}
VERIFY = [{"file": {"path": "/etc/loket/iidc.conf", "contains": "iidc"}}]


def _asking(folder: Path, after: str, then: str = "keep_proved") -> Path:
    return loket_playbook(folder, configure=CONFIGURE, verify=VERIFY, alone={"after": after, "then": then})


def _records(host: Host) -> list[dict[str, Any]]:
    (path,) = (host.root / "var/lib/pasang/runs").glob("*/journal.ndjson")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _has_ended(host: Host) -> bool:
    return _records(host)[-1]["type"] == "run_ended"


def _sleeps(host: Host) -> bool:
    """Whether a process sleeps over the run."""
    marks = list((host.root / "var/lib/pasang/runs").glob("*/asleep.json"))
    return bool(marks) and host.run(["pgrep", "-f", "pyc (run|boot) /var/lib/pasang"], check=False).returncode == 0


def _begin(office: Office, host: Host, playbook: Path) -> Path:
    """Install as far as the decision that nobody will take."""
    quiet(host)
    inventory = office.inventory([host])
    first = office.do("install", playbook, inventory)
    assert (first.code, first.outcomes) == (4, {host.name: "awaiting_decision"}), first.summary
    return inventory


def test_what_is_proved_is_kept_and_read_days_later(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    inventory = _begin(office, host, _asking(tmp_path / "loket", "6s"))
    wait_for(lambda: _has_ended(host), "the agent's decision")
    done = office.pasang("resume", "-i", inventory, "--json")
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), done.err
    assert packages(host)["loket"] == "1.0 install ok installed"
    assert not (host.root / "etc/loket/iidc.conf").exists()
    form = office.form(done.host(host.name)["form"])
    assert (form["decision"]["by"], form["decision"]["keep"], form["decision"]["configure"]) == ("agent", True, False)
    assert "6 detik" in form["decision"]["reason"]["id"]
    assert "the agent on that computer itself" in office.pasang("form", "show", form["number"]).out
    assert units_of_ours(host) == ""
    assert office.pasang("resume", "-i", inventory, "--json").summary["hosts"] == {}
    # What was not configured can be later: the question is asked again.
    again = office.do("install", tmp_path / "loket/playbook.yaml", inventory)
    assert again.outcomes == {host.name: "awaiting_decision"}


def test_what_does_not_work_any_more_is_taken_back_and_proved(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    before = read(host)
    inventory = _begin(office, host, _asking(tmp_path / "loket", "10s"))
    host.run(["systemctl", "stop", "loket"])
    wait_for(lambda: _has_ended(host), "the agent's decision")
    row = office.pasang("resume", "-i", inventory, "--json").host(host.name)
    assert (row["outcome"], row["step"], row["rollback"]["verdict"]) == ("rolled_back", 9, "clean"), row
    assert same(before, read_at_rest(host)) == {}


def test_kills_boots_and_a_power_cut_do_not_confuse_the_count(boot: Boot, office: Office, tmp_path: Path) -> None:
    """Each life of the process goes on with the count of the one before; the clock of the day plays no part."""
    (host,) = boot()
    office.trust()
    inventory = _begin(office, host, _asking(tmp_path / "loket", "1h"))
    wait_for(lambda: _sleeps(host), "a process that sleeps")
    host.run(["pkill", "-KILL", "-f", "pyc run /var/lib/pasang"])
    wait_for(lambda: _sleeps(host), "it again, by systemd")
    host.power_cycle()
    quiet(host)
    wait_for(lambda: _sleeps(host), "it again, at boot")
    (run,) = (host.root / "var/lib/pasang/runs").glob("*.loket")
    assert not _has_ended(host)
    kept = json.loads((run / "alone.json").read_text())
    assert len(kept["boots"]) == 2
    assert 0 < sum(until - since for since, until in kept["boots"].values()) < 600
    # An hour has passed before the plug is pulled once more.
    host.power_off()
    (first, *_) = kept["boots"].values()
    first[0] = first[1] - 3600
    (run / "alone.json").write_text(json.dumps(kept))
    host.boot()
    wait_for(lambda: _has_ended(host), "the agent's decision")
    done = office.pasang("resume", "-i", inventory, "--json")
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), done.err
    assert units_of_ours(host) == ""
    assert not list((host.root / "etc/systemd").rglob("*pasang*"))


def test_a_decision_in_time_is_carried_out_by_the_process_that_sleeps(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot()
    office.trust()
    inventory = _begin(office, host, _asking(tmp_path / "loket", "1h", "take_back"))
    wait_for(lambda: _sleeps(host), "a process that sleeps")
    ((number,),) = office.rows("select number from form")
    assert office.pasang("form", "decide", number, "--configure", "--reason", "perlu").code == 0
    done = office.pasang("resume", "-i", inventory, "--json")
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), done.err
    assert (host.root / "etc/loket/iidc.conf").read_text() == "iidc"
    lives = [r for r in _records(host) if r["type"] == "agent_started" and r["detached"]]
    assert len({life["pid"] for life in lives}) == 1, "no second process was started"
    assert units_of_ours(host) == ""
