"""How long the work on a computer takes, by the agent's own limits: what somebody is told who wants the computer too.

Every limit of a plan is counted as if it were reached: each program as long as it may take, each question until nobody
asks any more, each reboot told as often as it is, after the longest wait for its hour; and everything taken back. What
has no limit is guessed (copying, reading the disk, starting the computer); what comes on top is left out (programs
that are started again because they failed, a computer that goes down unasked). So it is told as *about*, and *at most*.

The numbers are the agent's, in whose kinds they stand; the controller knows its protocol only, so that they stand here
again, and ``tests/unit/test_limits.py`` holds each against the agent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROGRAM_S = 900.0
"""A program that the playbook sets no limit for."""
INSTALLER_S = 3600.0
"""An installer of Windows that the playbook sets no limit for."""
BUSY_S = 900.0
"""How long is tried again while another installation is at work."""
SETTLING_S = 60.0
"""How long is waited for what a set-up's children finish, and for an uninstaller that goes on in a copy of itself."""
SERVICE_S = 180.0
"""One order to the service manager."""
SERVICE_SETTLES_S = 2.0
LOOK_S = 2.0
"""A look that starts no program: as long as an expression may be searched for."""
PROBE_S: Mapping[str, float] = {
    "process": LOOK_S,
    "service": LOOK_S,
    "port": LOOK_S,
    "http": 10.0,
    "command": 30.0,
    "file": LOOK_S,
    "log": 20.0,
    "version": 30.0,
    "program": LOOK_S,
    "registry": LOOK_S,
}
"""One question, where the playbook does not allow it more."""
RESTARTED = 4.0
RESTARTED_S = 10.0
"""A service that was restarted must stay up so many times as long, and for so long at least."""
REBOOT_TRIES = 2
REBOOT_GOING_DOWN_S = 600.0
REBOOT_AGAIN_S = 60.0
"""So often is a computer told to reboot, so long may it take to go down, and so long is waited where it refuses."""
REBOOT_READY_S = 300.0
"""How long it is waited for until all that it starts has started."""

READING_S = 120.0
"""Guessed: the requirements, and the state before and after."""
COPYING_S = 60.0
"""Guessed: the files of one action."""
STARTING_S = 300.0
"""Guessed: a computer from its last word to the first program."""
DAY_S = 86400.0


def plan_s(document: Mapping[str, Any]) -> float:
    """How long the plan's work takes on a computer; not counting what is sent, or the person whom it waits for."""
    return READING_S + max((variant_s(v, document["mode"]) for v in document["variants"]), default=0.0)


def variant_s(variant: Mapping[str, Any], mode: str) -> float:
    """The work of one mode by one variant."""
    configure = variant.get("configure") or {}
    attempts = int(configure.get("attempts", 1))
    actions = [*variant.get("install", ()), *variant.get("run", ()), *list(configure.get("actions", ())) * attempts]
    looks_s = sum(look_s(spec) for spec in actions)
    test_s = sum(probe_s(spec) for spec in variant.get("test", ()))
    verify_s = sum(probe_s(spec) for spec in variant.get("verify", ()))
    if mode in ("check", "plan"):
        return looks_s
    if mode == "verify":
        return looks_s + test_s + verify_s
    if mode == "uninstall":
        return looks_s + sum(action_s(spec) for spec in [*actions, *variant.get("uninstall", ())])
    reboots = sum(1 for spec in [*actions, variant] if spec.get("reboot", "never") != "never")
    # Before the first effect and after the way back the version before is tested too: a test is asked three times.
    asked_s = 3 * test_s + attempts * verify_s
    return 2 * looks_s + 2 * sum(action_s(spec) for spec in actions) + asked_s + reboots * reboot_s(variant)


def action_s(spec: Mapping[str, Any]) -> float:
    """One action carried out, or taken back.

    Raises:
        KeyError: its kind is not known here.
    """
    program_s = float(spec.get("timeout_s") or PROGRAM_S)
    installer_s = float(spec.get("timeout_s") or INSTALLER_S)
    undo_s = float((spec.get("undo") or {}).get("timeout_s") or 0)
    # Packages given as files go in as many calls as they have among them that must be there before others.
    calls = 1 if spec.get("packages") else len(spec.get("payloads") or ())
    defines = 1 if spec.get("define") else 0
    limits = {
        "deb": program_s * (1 + calls),  # … once more for the lock that somebody else may hold
        "archive": COPYING_S,
        "file": COPYING_S,
        "service": SERVICE_S * (2 + defines),  # enabled and started, and its definition read
        "command": max(program_s, undo_s),
        # … the new version removed and the one before put back, each after whatever else is at work.
        "msi": 2 * (installer_s + min(BUSY_S, installer_s)),
        "exe": 2 * (installer_s + min(BUSY_S, installer_s)) + SETTLING_S,
        "registry": LOOK_S,
    }
    return limits[spec["kind"]]


def look_s(spec: Mapping[str, Any]) -> float:
    """One look whether an action has been done: what it asks, and the time for which a service must stay up."""
    settles_s = SERVICE_SETTLES_S if spec["kind"] == "service" else 0.0
    unless = spec.get("unless")
    return LOOK_S + settles_s + float(spec.get("stable_for_s") or 0) + (probe_s(unless) if unless else 0.0)


def probe_s(spec: Mapping[str, Any]) -> float:
    """One probe, whose last question may begin when the time for asking is almost over.

    Raises:
        KeyError: its kind is not known here.
    """
    question_s = max(PROBE_S[spec["kind"]], float(spec.get("timeout_s") or 0))
    stable_s = float(spec.get("stable_for_s") or 0)
    if stable_s and spec["kind"] == "service":
        stable_s = max(RESTARTED_S, RESTARTED * stable_s)
    return float(spec.get("within_s") or 0) + question_s + stable_s


def reboot_s(variant: Mapping[str, Any]) -> float:
    """One reboot within a run, after the wait for its hour."""
    window = variant.get("reboot_window")
    wait_s = DAY_S - open_s(window) if window else 0.0
    return wait_s + REBOOT_TRIES * (REBOOT_GOING_DOWN_S + REBOOT_AGAIN_S) + STARTING_S + REBOOT_READY_S


def open_s(window: Mapping[str, str]) -> float:
    """How long a window (``HH:MM``, over midnight where need be) is open each day."""
    begin, end = (60.0 * (60 * int(at[:2]) + int(at[3:])) for at in (window["from"], window["to"]))
    return (end - begin) % DAY_S
