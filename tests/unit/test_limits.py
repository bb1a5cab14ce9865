"""How long a plan may take, held against the limits that the agent itself works by."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

import pytest

from agent import actions, asleep, probes, program, reboot
from agent.actions import command, service
from agent.debian import dpkg
from agent.host import linux, services
from agent.probes import command as command_probe
from agent.probes import http, log, patterns, version
from agent.probes import service as service_probe
from agent.windows import installers, msiexec, removal
from agent.windows.actions import exe
from controller import limits
from controller.playbook.actions import Action
from controller.playbook.probes import Probe


def lasts(mode: str = "install", **sections: Any) -> float:
    return limits.plan_s({"mode": mode, "variants": [sections]})


def test_the_numbers_are_the_agents() -> None:
    assert limits.PROGRAM_S == program.TIMEOUT_S == command.TIMEOUT_S == dpkg.TIMEOUT_S
    assert (limits.SERVICE_S, limits.SERVICE_SETTLES_S) == (services.START_TIMEOUT_S, service.SETTLE_S)
    assert limits.LOOK_S == patterns.PATIENCE_S
    asked = {"http": http, "command": command_probe, "version": version}
    assert {kind: limits.PROBE_S[kind] for kind in asked} == {kind: own.PATIENCE_S for kind, own in asked.items()}
    assert limits.PROBE_S["log"] == log.JOURNAL_PATIENCE_S
    assert limits.INSTALLER_S == msiexec.TIMEOUT_S == exe.TIMEOUT_S
    assert (limits.BUSY_S, limits.SETTLING_S) == (installers.BUSY_S, exe.SETTLING_S)
    assert limits.SETTLING_S == removal.GONE_S
    assert (limits.REBOOT_TRIES, limits.REBOOT_GOING_DOWN_S) == (reboot.TRIES, reboot.GOING_DOWN_S)
    assert (limits.REBOOT_AGAIN_S, limits.REBOOT_READY_S) == (reboot.AGAIN_S, linux.READY_S)


@pytest.mark.parametrize("stable_for_s", [1.0, 10.0])
def test_a_service_that_was_restarted_is_watched_as_long_as_that(stable_for_s: float) -> None:
    now = services.Service(True, "active", True, 1, 3, 0.0, "success")
    spec = {"kind": "service", "name": "kilat", "stable_for_s": stable_for_s}
    watched_s = service_probe.patience_of(spec, now, {"at": 0})
    assert limits.probe_s({**spec, "within_s": 7}) == 7 + limits.LOOK_S + watched_s


@pytest.mark.parametrize("kind", [*Action.model_fields, *actions.KINDS])
def test_every_kind_of_action_has_a_limit(kind: str) -> None:
    assert limits.action_s({"kind": kind, "payloads": ["a"]}) > 0


@pytest.mark.parametrize("kind", [*Probe.model_fields, *probes.KINDS])
def test_every_kind_of_probe_has_a_limit(kind: str) -> None:
    assert limits.probe_s({"kind": kind}) > 0


def limited(package: str, kind: str) -> ModuleType | None:
    """The agent's module of a kind, where it starts programs or asks with a limit of its own."""
    home = "agent.windows" if kind in importlib.import_module(f"agent.{package}").OF_WINDOWS else "agent"
    module = importlib.import_module(f"{home}.{package}.{kind}")
    return module if "timeout_s" in inspect.getsource(module) else None


def test_what_is_only_guessed_or_looked_at_starts_nothing_that_has_a_limit() -> None:
    guessed = [k for k in actions.KINDS if limits.action_s({"kind": k, "payloads": ["a"]}) == limits.COPYING_S]
    looks = [kind for kind in probes.KINDS if limits.PROBE_S[kind] == limits.LOOK_S]
    assert [kind for kind in guessed if limited("actions", kind)] == []
    assert [kind for kind in looks if limited("probes", kind)] == []


@pytest.mark.parametrize(
    "spec", [{"kind": "nuget"}, {"kind": "http2"}, {"kind": ""}], ids=["an action", "a probe", "nothing"]
)
def test_a_kind_without_a_limit_is_no_quiet_guess(spec: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        limits.action_s(spec)
    with pytest.raises(KeyError):
        limits.probe_s(spec)


def test_each_payload_may_be_a_call_of_its_own() -> None:
    one, three = ({"kind": "deb", "payloads": list("abc")[:count], "timeout_s": 60} for count in (1, 3))
    assert limits.action_s(three) - limits.action_s(one) == 2 * 60
    assert limits.action_s({"kind": "deb", "packages": ["a", "b", "c"]}) == 2 * dpkg.TIMEOUT_S


def test_the_way_back_and_every_try_count() -> None:
    wait = {"kind": "command", "argv": ["x"], "timeout_s": 100}
    once = limits.action_s(wait) + limits.look_s(wait)
    assert lasts(install=[wait]) - lasts() == 2 * once
    assert lasts(configure={"attempts": 3, "actions": [wait]}) - lasts() == 2 * 3 * once
    assert lasts(install=[{**wait, "undo": {"argv": ["y"], "timeout_s": 500}}]) - lasts(install=[wait]) == 2 * 400
    assert lasts("uninstall", install=[wait], uninstall=[wait]) - lasts() == 2 * limits.action_s(wait) + limits.look_s(
        wait
    )
    assert lasts("check", install=[wait], test=[{"kind": "http", "within_s": 900}]) - lasts() == limits.look_s(wait)


@pytest.mark.parametrize(("wanted", "count"), [("never", 0), ("if_needed", 1), ("always", 1)])
def test_a_reboot_counts_as_often_as_it_may_be(wanted: str, count: int) -> None:
    told = reboot.TRIES * (reboot.GOING_DOWN_S + reboot.AGAIN_S)
    deb = {"kind": "deb", "payloads": ["a"]}
    plain = lasts(install=[deb])
    assert lasts(install=[{**deb, "reboot": wanted}]) - plain >= count * (told + linux.READY_S)
    assert lasts(install=[deb], reboot=wanted) == lasts(install=[{**deb, "reboot": wanted}])
    in_each_try = {"attempts": 2, "actions": [{**deb, "reboot": wanted}]}
    without = {"attempts": 2, "actions": [deb]}
    assert lasts(configure=in_each_try) - lasts(configure=without) == 2 * count * limits.reboot_s({})


@pytest.mark.parametrize(
    ("window", "closed_h"),
    [
        ({"from": "18:00", "to": "20:00"}, 22),
        ({"from": "18:00", "to": "06:00"}, 12),
        ({"from": "00:00", "to": "23:59"}, 0),
    ],
)
def test_a_reboot_may_have_to_wait_for_its_hour(
    window: dict[str, str], closed_h: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many minutes as the agent calls it closed."""
    minutes = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
    closed = 0
    for at in minutes:
        monkeypatch.setattr(asleep.time, "strftime", lambda _, at=at: at)
        closed += not asleep.is_open(window)
    assert limits.reboot_s({"reboot_window": window}) - limits.reboot_s({}) == 60.0 * closed
    assert closed // 60 == closed_h


def test_the_longest_variant_counts() -> None:
    short, long = ({"install": [{"kind": "command", "timeout_s": s}]} for s in (1, 50))
    both = limits.plan_s({"mode": "install", "variants": [short, long]})
    assert both == limits.plan_s({"mode": "install", "variants": [long]})
