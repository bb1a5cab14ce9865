"""What the doctor makes of what a computer says, and of ways that end early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller import doctor
from controller.errors import AccessRefused, AgentFault, Busy, HostError, HostKeyError, NoPython, Unreachable
from controller.inventory import Host, load
from controller.text import Text
from controller.transport import Options

HELD = {"run": "20261122-3f9a.loket", "owner": "staf@loket", "host": "pc9", "why": "work", "since": "2026-11-22",
        "since_s": 60.0, "left_s": 600.0}  # fmt: skip


def host_of(tmp_path: Path, **variables: str) -> Host:
    path = tmp_path / "inventory.yaml"
    rows = "".join(f"      {key}: {value}\n" for key, value in variables.items())
    path.write_text(f"all:\n  hosts:\n    pc1:\n      ansible_host: pc1.example.invalid\n{rows}")
    return next(iter(load([path]).select("all")))


def answer(**changes: Any) -> dict[str, Any]:
    facts = {"administrator": True, "python": "3.11.2", "title": "Debian GNU/Linux 12 (bookworm)"}
    room = {"path": "/var/lib/pasang", "free_bytes": changes.pop("free_bytes", 50 * 10**9)}
    return {"answer": "facts", "facts": {**facts, **changes}, "holder": changes.pop("holder", {}), "room": room}


def examine(monkeypatch: pytest.MonkeyPatch, host: Host, ends: HostError | dict[str, Any]) -> list[doctor.Finding]:
    class Way:
        def __enter__(self) -> Way:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def describe(self) -> dict[str, str]:
            return {"address": "10.0.0.7:22", "user": "root", "host_key": "SHA256:x"}

    def asked(*_: Any, **__: Any) -> dict[str, Any]:
        if isinstance(ends, HostError):
            raise ends
        return ends

    monkeypatch.setattr(doctor, "connect", lambda *_, **__: Way())
    monkeypatch.setattr(doctor, "answer", asked)
    return doctor.examine(host, None, options=Options(), owner="ani@pusat")  # type: ignore[arg-type]


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, host_of(tmp_path), answer())
    assert [f.verdict for f in found] == [doctor.OK] * 9
    assert all(f.found.id for f in found)


@pytest.mark.parametrize(("changes", "look"), [({"administrator": False}, "rights"), ({"free_bytes": 10**8}, "disk"),
                                               ({"holder": HELD}, "lock")])  # fmt: skip
def test_what_is_short_is_a_warning_with_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], look: str
) -> None:
    found = examine(monkeypatch, host_of(tmp_path), answer(**changes))
    (warning,) = [f for f in found if f.verdict != doctor.OK]
    assert (warning.look, warning.verdict) == (look, doctor.WARNING)
    assert warning.hint
    assert bool(warning.command) is (look != "lock")


@pytest.mark.parametrize("kind", ["ssh", "winrm", "local"])
@pytest.mark.parametrize("error", [Unreachable, HostKeyError, AccessRefused, NoPython, AgentFault, Busy])
def test_every_error_ends_the_way_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, error: type[HostError]
) -> None:
    host = host_of(tmp_path, ansible_connection=kind)
    found = examine(monkeypatch, host, error(Text("sebab", "cause"), hint=Text("obat", "cure")))
    verdicts = [f.verdict for f in found]
    at = verdicts.index(doctor.FAILED)
    sure = min(at, len(found) - len(doctor.AT_THE_END))
    assert verdicts[:sure] == [doctor.OK] * sure
    assert set(verdicts[sure:]) <= {doctor.FAILED, doctor.UNSEEN}
    assert verdicts.count(doctor.FAILED) == 1
    assert found[at].found.en == "cause"


@pytest.mark.parametrize("kind", ["ssh", "winrm", "local"])
@pytest.mark.parametrize("user", ["'a; rm -rf /'", "$(id)", "a`id`", "a&b", '"a|b"'])
def test_names_that_are_more_than_names_stand_in_no_command(tmp_path: Path, kind: str, user: str) -> None:
    host = host_of(tmp_path, ansible_connection=kind, ansible_user=user)
    assert {doctor.command_for(look, host) for look in doctor.LOOKS} == {""}
    plain = host_of(tmp_path, ansible_connection=kind, ansible_user=r"KOTA\ani")
    person = doctor.command_for("rights", plain)
    assert person == ('net localgroup Administrators "KOTA\\ani" /add' if kind == "winrm" else "")


@pytest.mark.parametrize(("user", "command"), [("ani", 'net user "ani" *'), (r"KOTA\ani", 'net user "ani" * /domain')])
def test_a_password_that_is_not_right_is_set_anew(tmp_path: Path, user: str, command: str) -> None:
    assert doctor.command_for("login", host_of(tmp_path, ansible_connection="winrm", ansible_user=user)) == command


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ({}, "winrm quickconfig -transport:https"),
        ({"ansible_port": "5985"}, "winrm quickconfig"),
        ({"ansible_winrm_scheme": "http"}, "winrm quickconfig"),
        ({"ansible_winrm_scheme": "https", "ansible_port": "5985"}, "winrm quickconfig -transport:https"),
    ],
)
def test_windows_listens_for_tls_only_where_it_is_told_so(
    tmp_path: Path, variables: dict[str, str], command: str
) -> None:
    host = host_of(tmp_path, ansible_connection="winrm", ansible_user="ani", **variables)
    assert doctor.command_for("port", host) == command
