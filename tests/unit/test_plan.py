"""Plans: what a playbook becomes for a host, what its digest is bound to, and every mistake told first."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from controller.errors import PlaybookError
from controller.inventory import Host
from controller.inventory import load as load_inventory
from controller.plan import build, build_all, digest_of
from controller.playbook import Playbook, load

CASES = Path(__file__).parents[1] / "cases" / "plan"
PLAYBOOK = """\
pasang: 1
software: {name: kilat, version: "2.0", publisher: Contoh, licence: MIT}
payloads:
  kilat: {file: kilat.tar.gz, sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
variants:
  - when: {os: linux}
    requirements: {ports_free: ["{{ port }}"], disk_free: {path: /, at_least: 1 GB}}
    install: [{archive: {payload: kilat, into: "/opt/{{ unit | default('iidc') }}"}}]
    run: [{service: {name: kilat, state: running, define: {argv: [/opt/kilat/bin, --port, "{{ port }}"]}}}]
    test: [{http: {url: "http://127.0.0.1:{{ port }}/", json: {versi: "{{ software.version }}"}, within: 10s}}]
    configure:
      actions: [{file: {path: /etc/kilat.conf, template: kilat.conf.j2, mode: "0600"}}]
"""
TEMPLATE = """\
host = {{ inventory_hostname }}
{% for g in group_names %}
group = {{ g }}
{% endfor %}
kunci = {{ kunci_token }}
"""
INVENTORY = """\
all:
  vars: {port: 8110, kunci_token: sangat-rahasia, tak_terpakai_password: lain}
  children:
    loket: {hosts: {pc01: , pc02: {unit: loket}}}
"""
INSPECTED = {
    "kilat": {
        "digest": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "size_bytes": 5,
        "file": "kilat.tar.gz",
        "format": "tar",
        "meta": {"unpacked_size_bytes": 700, "files": 1, "top": ["kilat"]},
    }
}


def playbook_of(folder: Path, text: str = PLAYBOOK, template: str = TEMPLATE) -> Playbook:
    """A playbook as the depot hands it on."""
    (folder / "playbook.yaml").write_text(text, encoding="utf-8")
    (folder / "kilat.conf.j2").write_text(template, encoding="utf-8")
    return dataclasses.replace(load(str(folder)), inspected=INSPECTED)


def hosts_of(folder: Path, text: str = INVENTORY) -> list[Host]:
    """Every host of an inventory."""
    (folder / "inventory.yaml").write_text(text, encoding="utf-8")
    return load_inventory(folder / "inventory.yaml").select("all")


@pytest.fixture
def hosts(tmp_path: Path) -> list[Host]:
    """Two computers of one group."""
    return hosts_of(tmp_path)


@pytest.fixture
def playbook(tmp_path: Path) -> Playbook:
    """A playbook with variables in every kind of place."""
    return playbook_of(tmp_path)


def test_a_plan_holds_the_values_of_its_host(playbook: Playbook, hosts: list[Host]) -> None:
    plan = build(playbook, hosts[1], mode="install", run="r", form="f")
    document = json.loads(json.dumps(plan.document))
    (variant,) = document.pop("variants")
    assert document == {
        "protocol": 1,
        "mode": "install",
        "digest": plan.digest,
        "run": "r",
        "form": "f",
        "software": {"name": "kilat", "version": "2.0", "publisher": "Contoh", "licence": "MIT"},
        "location": "user",
        "payloads": INSPECTED,
        "decision": None,
        "policy": {"keep_days": 30},
    }
    assert variant == {
        "when": {"os": "linux"},
        "requirements": {
            "ports_free": [8110],
            "disk_free": [
                {"path": "/", "at_least_bytes": 10**9},
                {
                    "path": "/opt/loket",
                    "at_least_bytes": 0,
                    "payload": "kilat",
                    "digest": INSPECTED["kilat"]["digest"],
                    "payload_bytes": 5,
                    "unpacked_bytes": 700,
                },
            ],
        },
        "install": [
            {
                "kind": "archive",
                "payload": "kilat",
                "into": "/opt/loket",
                "version": "2.0",
                "link": "current",
                "strip": 0,
            }
        ],
        "run": [
            {
                "kind": "service",
                "name": "kilat",
                "state": "running",
                "define": {"argv": ["/opt/kilat/bin", "--port", "8110"]},
            }
        ],
        "test": [
            {
                "kind": "http",
                "url": "http://127.0.0.1:8110/",
                "method": "GET",
                "status": 200,
                "json": {"versi": "2.0"},
                "within_s": 10,
            }
        ],
        "configure": {
            "decision": "always",
            "attempts": 2,
            "actions": [
                {
                    "kind": "file",
                    "path": "/etc/kilat.conf",
                    "state": "present",
                    "mode": "0600",
                    "content": "host = pc02\ngroup = loket\nkunci = sangat-rahasia\n",
                }
            ],
        },
        "verify": [],
        "uninstall": [],
        "watch": [],
        "alone": {"after_s": 259200, "then": "keep_proved"},
    }
    assert plan.secrets == ("sangat-rahasia",)


def test_nothing_is_left_to_evaluate(playbook: Playbook, hosts: list[Host]) -> None:
    assert "{{" not in json.dumps(build(playbook, hosts[0], mode="install").document)


def test_the_digest_is_of_the_work_alone(playbook: Playbook, hosts: list[Host], tmp_path: Path) -> None:
    plan = build(playbook, hosts[0], mode="install", run="1", form="FI-1")
    same = [
        build(playbook, hosts[0], mode="install", run="2", form="FI-2"),
        build(playbook, hosts[0], mode="plan"),
        build(playbook, hosts[0], mode="check"),
        plan.numbered("3", "FI-3"),
        build(playbook_of(tmp_path), hosts_of(tmp_path)[0], mode="install"),
    ]
    assert {p.digest for p in same} == {plan.digest}
    assert (same[3].document["run"], same[3].document["form"]) == ("3", "FI-3")
    other = [
        build(playbook, hosts[1], mode="install"),
        build(playbook, hosts[0], mode="uninstall"),
        build(playbook, hosts[0], mode="install", decision={"configure": False, "reason": None, "by": "x"}),
        build(playbook_of(tmp_path, PLAYBOOK.replace("10s", "11s")), hosts[0], mode="install"),
        build(playbook_of(tmp_path, template=TEMPLATE + "\n"), hosts[0], mode="install"),
    ]
    assert len({plan.digest, *(p.digest for p in other)}) == 6


def test_the_digest_can_be_computed_by_anybody(playbook: Playbook, hosts: list[Host]) -> None:
    plan = build(playbook, hosts[0], mode="plan", run="r", form="f")
    assert digest_of(json.loads(json.dumps(plan.document))) == plan.digest


def test_plans_of_all_hosts_share_what_does_not_differ(playbook: Playbook, hosts: list[Host]) -> None:
    plans = build_all(playbook, hosts, mode="install")
    assert list(plans) == ["pc01", "pc02"]
    assert plans["pc01"].document["payloads"] is plans["pc02"].document["payloads"]
    assert plans["pc01"].digest == build(playbook, hosts[0], mode="install").digest


def test_every_mistake_of_every_host_is_told_once(tmp_path: Path) -> None:
    rows = "\n".join(
        f"    pc{n}: {{{'port: 80' if n % 2 else 'port: delapan'}, unit: {'../x' if n == 3 else 'a'}}}"
        for n in range(1, 7)
    )
    hosts = hosts_of(tmp_path, f"all:\n  hosts:\n{rows}\n")
    with pytest.raises(PlaybookError) as caught:
        build_all(playbook_of(tmp_path), hosts, mode="install")
    said = [
        (p.where.removeprefix(f"{tmp_path}/"), p.what.en, p.hint.en if p.hint else "") for p in caught.value.problems
    ]
    assert said == [
        (
            "kilat.conf.j2:5",
            "pc1, pc2, pc3 and 3 more: the variable 'kunci_token' is not known",
            "add kunci_token to the inventory, or write {{ kunci_token | default('…') }}",
        ),
        ("playbook.yaml:7", "pc2, pc4, pc6: 'delapan' is not a port number (1 to 65535)", "write for example 80"),
        (
            "playbook.yaml:8",
            "pc3: '/opt/../x' is not an absolute path without '..'",
            "write for example /opt/kilat / ~/kilat / C:\\Program Files\\Kilat",
        ),
    ]


def test_a_playbook_that_was_not_taken_in_has_no_plan(tmp_path: Path, hosts: list[Host]) -> None:
    with pytest.raises(ValueError, match="kilat"):
        build(dataclasses.replace(playbook_of(tmp_path), inspected={}), hosts[0], mode="install")


def test_an_unknown_mode_is_refused(playbook: Playbook, hosts: list[Host]) -> None:
    with pytest.raises(ValueError, match="instal"):
        build(playbook, hosts[0], mode="instal")


def test_a_hundred_plans_are_no_reason_to_wait(playbook: Playbook, tmp_path: Path) -> None:
    hosts = hosts_of(tmp_path, INVENTORY.replace("pc01: ", '"pc[001:100]": '))
    build(playbook, hosts[0], mode="install")
    began = time.process_time()
    plans = build_all(playbook, hosts, mode="install")
    assert len({p.digest for p in plans.values()}) == 101
    assert time.process_time() - began < 1.0  # measured 0.02 s; the rest is for a busy machine


def test_secrets_that_are_not_in_the_plan_are_not_its_secrets(tmp_path: Path) -> None:
    hosts: list[Any] = hosts_of(tmp_path)
    plan = build(playbook_of(tmp_path, template="x"), hosts[0], mode="install")
    assert plan.secrets == ()
    assert "sangat-rahasia" not in json.dumps(plan.document)


@pytest.mark.parametrize("case", sorted(p.parent for p in CASES.glob("*/plan.json")), ids=lambda p: p.name)
def test_a_case_becomes_its_plan(case: Path) -> None:
    inspected = json.loads((case / "inspected.json").read_text(encoding="utf-8"))
    playbook = dataclasses.replace(load(str(case)), inspected=inspected)
    (host,) = load_inventory(case / "inventory.yaml").select("all")
    plan = build(playbook, host, mode="install", run="run", form="form")
    expected = json.loads((case / "plan.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(plan.document)) == expected
    assert plan.digest == expected["digest"]


NGINX = {"deb": {"payloads": ["umum", "web"]}}
START = {"service": {"name": "web", "state": "running", "enabled": True}}
CONFIGURATION = {"file": {"path": "/etc/web.conf", "content": "x"}}
COMMAND = {"command": {"argv": ["web", "--init"]}}


@pytest.mark.parametrize(
    ("install", "run", "source", "later"),
    [
        ([NGINX], [START], "web (1.0)", ["web"]),
        ([NGINX, CONFIGURATION], [START, {"service": {"name": "lain", "state": "running"}}], "web", ["web", "lain"]),
        ([NGINX], [{"service": {"name": "web", "enabled": True}}], "web", None),
        ([NGINX], [], "web", None),
        ([NGINX, COMMAND], [START], "web", None),  # it may need the service
        ([NGINX], [START], "lain", None),  # scripts of one source may need a service of the other's
        ([{"deb": {**NGINX["deb"], "packages": ["pustaka"]}}], [START], "web", None),
    ],
)
def test_a_service_that_is_started_next_need_not_be_by_its_package(
    tmp_path: Path, hosts: list[Host], install: Any, run: Any, source: str, later: Any
) -> None:
    digest = INSPECTED["kilat"]["digest"]
    text = {
        "pasang": 1,
        "software": {"name": "web", "version": "1.0", "publisher": "Contoh", "licence": "MIT"},
        "payloads": {name: {"file": f"{name}.deb", "sha256": digest} for name in ("umum", "web")},
        "variants": [{"when": {"os": "linux"}, "install": install, "run": run, "test": [{"port": {"port": 80}}]}],
    }
    metas = {"umum": {"package": "web-umum", "source": source}, "web": {"package": "web"}}
    inspected = {
        name: {"digest": digest, "size_bytes": 5, "file": f"{name}.deb", "format": "deb", "meta": meta}
        for name, meta in metas.items()
    }
    playbook = dataclasses.replace(playbook_of(tmp_path, json.dumps(text)), inspected=inspected)
    [variant] = build(playbook, hosts[0], mode="install").document["variants"]
    assert variant["install"][0].get("starts_later") == later
