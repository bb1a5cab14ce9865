"""What a service manager says of a service, and what becomes of it while it is watched."""

from __future__ import annotations

import types

import pytest

from agent.actions import ActionFailed
from agent.probes import asked, service
from agent.protocol import text
from tests.unit.probing import SINCE


def state(active="active", **more):
    fields = {"known": True, "enabled": True, "main_pid": 10, "restarts": 0, "active_for_s": 30.0, "start": ""}
    return types.SimpleNamespace(active=active, **{**fields, "result": "success", **more})


class Manager:
    """Answers what it is given, the last for ever; ``trouble`` is raised instead."""

    name = "systemd"

    def __init__(self, *states, trouble=None):
        self.states = list(states)
        self.trouble = trouble
        self.reads = 0

    def read(self, name):
        self.reads += 1
        if self.trouble:
            raise self.trouble
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def ask_service(manager, **words):
    host = types.SimpleNamespace(services=manager)
    return asked(service, {"kind": "service", "name": "nginx", **words}, host, SINCE)


@pytest.mark.parametrize(
    ("words", "found", "verdict"),
    [
        ({"state": "running"}, state(), "passed"),
        ({"state": "running"}, state("reloading"), "passed"),
        ({"state": "running"}, state("failed", result="exit-code"), "failed"),
        ({"state": "running"}, state("activating"), "failed"),
        ({"state": "running"}, state(known=False, active="inactive"), "failed"),
        ({"state": "stopped"}, state("inactive"), "passed"),
        ({"state": "stopped"}, state("failed"), "passed"),
        ({"state": "stopped"}, state(known=False, active="inactive"), "passed"),
        ({"state": "stopped"}, state("deactivating"), "failed"),
        ({"enabled": True}, state("inactive"), "passed"),
        ({"enabled": True}, state(enabled=False), "failed"),
        ({"enabled": False}, state(enabled=False), "passed"),
        ({"enabled": False}, state(), "failed"),
        ({"enabled": True}, state(enabled=None), "unknown"),
        ({"enabled": True}, state(known=False, active="inactive", enabled=None), "failed"),
        ({"state": "running", "enabled": True}, state(enabled=False), "failed"),
    ],
)
def test_service(clock, words, found, verdict):
    answer = ask_service(Manager(found), **words)
    assert answer.verdict == verdict
    assert (answer.reason is None) == (verdict == "passed")


def test_service_says_what_it_found(clock):
    spec = {"state": "running", "enabled": True}
    answer = ask_service(Manager(state("failed", result="exit-code", enabled=False, main_pid=0)), **spec)
    assert (service.needed(spec), answer.found) == (
        text("berjalan, menyala sendiri", "active, enabled"),
        text("gagal, tidak menyala sendiri, exit-code", "failed, disabled, exit-code"),
    )
    assert "tidak berjalan: gagal (exit-code)" in answer.reason["id"]


def test_a_manager_that_refuses(clock):
    answer = ask_service(Manager(trouble=ActionFailed(text("tidak menjawab", "no answer"))), state="running")
    assert (answer.verdict, answer.reason["en"]) == ("unknown", "no answer")


def test_a_service_old_enough_is_asked_once(clock):
    manager = Manager(state(active_for_s=2.0))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert (manager.reads, clock.now) == (1, 0.0)


def test_a_young_service_is_watched(computer, clock):
    computer.start(10, "nginx")
    manager = Manager(state(active_for_s=0.5), state(active_for_s=2.1))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert manager.reads == 2
    assert 1.5 <= clock.now < 1.7


@pytest.mark.parametrize(
    "later",
    [
        state("failed", main_pid=0, result="exit-code"),
        state("activating", main_pid=0),
        state(main_pid=11, restarts=1, active_for_s=0.1),
        state(main_pid=10, restarts=1, active_for_s=0.1),
    ],
)
def test_a_service_that_dies_while_watched(computer, clock, later):
    computer.start(10, "nginx")
    clock.events.append((0.3, lambda: computer.end(10)))
    answer = ask_service(Manager(state(active_for_s=0.0), later), state="running", stable_for_s=20)
    assert (answer.verdict, answer.final) == ("failed", True)
    assert clock.now < 0.6


def test_a_service_that_keeps_dying_is_watched_for_longer(computer, clock):
    computer.start(10, "nginx")
    loop = [state(active_for_s=3.0, restarts=4), state("activating", main_pid=0, restarts=4)]
    clock.events.append((1.0, lambda: computer.end(10)))
    assert ask_service(Manager(*loop), state="running", stable_for_s=2).verdict == "failed"
    assert clock.now < 1.3


def test_a_restart_of_before_the_run_does_not_count(clock):
    manager = Manager(state(active_for_s=86400.0, restarts=3))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert clock.now == 0.0
