"""The inventory: an office as Ansible would read it, the mistakes people make, and whatever else is in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import source
from controller.errors import InventoryError
from controller.inventory import Inventory, load
from controller.inventory.ranges import expand
from controller.inventory.secrets import is_secret
from controller.settings import Secret
from controller.units import UnitError

CASES = Path(__file__).parents[1] / "cases" / "inventory"
BAD = sorted(p for p in (CASES / "errors").glob("*.yaml") if not p.name.endswith(".expected.yaml"))
OFFICE: dict[str, Any] = source.read(CASES / "office.expected.yaml", limit_bytes=10**6, error=InventoryError).root


@pytest.fixture(scope="module")
def office() -> Inventory:
    """The office of the cases; its one secret comes from outside."""
    return load(CASES / "office" / "hosts.yaml", environment={"DB_PASSWORD": "sandi"})


def write(folder: Path, text: str, name: str = "inventory.yaml") -> Path:
    """A file of this text."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path | list[Path], pattern: str = "all", **environment: str) -> list[tuple[str, str, str]]:
    """What is wrong with an inventory or its hosts: where, what, hint."""
    with pytest.raises(InventoryError) as caught:
        load(path, environment=environment).select(pattern)
    return [(p.where, p.what.en, p.hint.en if p.hint else "") for p in caught.value.problems]


@pytest.mark.parametrize("pattern", OFFICE["patterns"])
def test_a_pattern_means_what_it_means_to_ansible(office: Inventory, pattern: str) -> None:
    assert [h.name for h in office.select(pattern)] == OFFICE["patterns"][pattern]


@pytest.mark.parametrize("pattern", OFFICE["refused"])
def test_a_pattern_that_means_nothing_is_a_mistake(office: Inventory, pattern: str) -> None:
    with pytest.raises(InventoryError) as caught:
        office.select(pattern)
    hint = caught.value.problems[0].hint
    assert hint is not None
    assert OFFICE["refused"][pattern] in hint.en


@pytest.mark.parametrize("pattern", ["", " ", ":", ",", ", ,", "@/dev/null"])
def test_a_pattern_without_any_part_is_nobody_rather_than_everybody(office: Inventory, pattern: str) -> None:
    with pytest.raises(InventoryError) as caught:
        office.select(pattern)
    assert "is empty\n  → write -l all" in caught.value.say("en")


def test_every_part_of_a_pattern_that_means_nothing_is_named(office: Inventory) -> None:
    with pytest.raises(InventoryError) as caught:
        office.select("loke:!arsipp:&serverr")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("host", OFFICE["variables"])
def test_variables_win_in_ansibles_order(office: Inventory, host: str) -> None:
    (found,) = office.select(host)
    assert {k: found.variables[k] for k in OFFICE["variables"][host]} == OFFICE["variables"][host]


@pytest.mark.parametrize("host", OFFICE["groups"])
def test_groups_are_named_as_group_names(office: Inventory, host: str) -> None:
    (found,) = office.select(host)
    assert list(found.groups) == OFFICE["groups"][host]


@pytest.mark.parametrize("host", OFFICE["connections"])
def test_connections_come_from_ansibles_variables(office: Inventory, host: str) -> None:
    (found,) = office.select(host)
    wanted = OFFICE["connections"][host]
    assert {k: getattr(found.connection, k) for k in wanted} == wanted


def test_a_folder_is_read_as_one_inventory() -> None:
    whole = load(CASES / "office", environment={"DB_PASSWORD": "sandi"})
    assert [h.name for h in whole.select("all")] == OFFICE["patterns"]["all"]
    assert whole.select("pc02")[0].variables["tingkat"] == "berkas komputer"


def test_of_several_files_the_later_wins_and_the_first_orders(tmp_path: Path) -> None:
    one = write(tmp_path, "all: {hosts: {b: {x: 1, y: 1}, a: }}", "1.yaml")
    two = write(tmp_path, "g: {hosts: {a: , b: {x: 2}, c: }}", "2.yaml")
    hosts = load([one, two]).select("all")
    assert [h.name for h in hosts] == ["b", "a", "c"]
    assert (hosts[0].variables, hosts[0].groups) == ({"x": 2, "y": 1}, ("g",))


def test_patterns_stand_in_a_file_too(office: Inventory, tmp_path: Path) -> None:
    path = write(tmp_path, "pc01\nserver:!db\n", "limit")
    assert [h.name for h in office.select(f"@{path}")] == ["pc01", "srv1", "srv3", "srv5", "win1"]


@pytest.mark.parametrize("case", BAD, ids=lambda p: p.stem)
def test_every_mistake_is_named_with_its_line(case: Path) -> None:
    expected = source.read(case.with_suffix(".expected.yaml"), limit_bytes=10**6, error=InventoryError).root
    said = problems_of(case)
    assert len(said) == len(expected), said
    for wanted, (where, what, hint) in zip(expected, said, strict=True):
        assert where == (f"{case}:{wanted['line']}" if "line" in wanted else str(case)), said
        assert wanted["what"] in what
        assert wanted.get("hint", "") in hint


def test_mistakes_of_all_hosts_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """all:
  hosts:
    a: {ansible_connection: shs}
    b: {ansible_port: 99999, location: rumah}
    c: {ansible_host: "{{ tiada }}"}
    d: {ansible_password: {env: TIADA}, ansible_become: mungkin}
    e: {ansible_password: {file: tiada}}
    f: {ansible_host: "{{ ansible_host }}"}
    g:
""",
    )
    said = problems_of(path)
    assert [(where.rsplit(":")[-1], what.split(":")[0]) for where, what, _ in said] == [
        ("3", "a"),
        ("4", "b"),
        ("4", "b"),
        ("5", "c"),
        ("6", "d"),
        ("6", "d"),
        ("7", "e"),
        ("8", "f"),
    ]
    text = "\n".join(f"{what} {hint}" for _, what, hint in said)
    for word in (
        "write ssh",
        "'99999'",
        "'rumah'",
        "'tiada' is not known",
        "TIADA is not set",
        "'mungkin'",
        "in a circle",
    ):
        assert word in text


def test_only_what_is_selected_has_to_be_right(tmp_path: Path) -> None:
    path = write(tmp_path, "all: {hosts: {a: {ansible_connection: x}, b: }}")
    assert [h.name for h in load(path).select("b")] == ["b"]


def test_secrets_are_sealed_wherever_they_stand(tmp_path: Path) -> None:
    write(tmp_path, "dari-berkas\n", "sandi")
    path = write(
        tmp_path,
        """all:
  vars:
    ansible_password: a1
    ansible_become_pass: {env: BECOME}
    basis: {user: u, password: a2, tokens: [a3, 4]}
    wifi_secret: {file: sandi}
    vault_kata: a5
    smtp_password: "{{ vault_kata }}!"
    ansible_ssh_private_key_file: ~/.ssh/id
    password_never_expires: true
  hosts: {pc01: }
""",
    )
    (host,) = load(path, environment={"BECOME": "a6"}).select("all")
    assert host.variables["basis"] == {"user": "u", "password": Secret("a2"), "tokens": [Secret("a3"), Secret("4")]}
    assert host.variables["password_never_expires"] is True
    assert host.connection.password == Secret("a1")
    assert host.connection.become_password == Secret("a6")
    assert host.connection.private_key_file == "~/.ssh/id"
    assert {s.reveal() for s in host.secrets()} == {"a1", "a2", "a3", "4", "dari-berkas", "a5!", "a6"}
    said = repr(host) + str(host) + repr(load(path, environment={"BECOME": "a6"}))
    for secret in ("a1", "a2", "a3", "dari-berkas", "a6"):
        assert secret not in said


def test_an_inventory_can_be_looked_at_without_its_secrets(tmp_path: Path) -> None:
    path = write(tmp_path, "all: {hosts: {pc01: {ansible_password: {env: TIADA}}}}")
    (host,) = load(path, environment={}).select("all", reveal=False)
    assert host.secrets() == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [("ansible_ssh_pass", True), ("db_password", True), ("API_KEY", True), ("token_file", False), ("passenger", False)],
)
def test_names_tell_secrets(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


def test_keys_that_ansible_passes_over_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, "all:\n  host: {a: }\n  hosts: {b: , loket: }\n  children: {loket: }\n")
    warnings = load(path).warnings
    assert [w.where for w in warnings] == [f"{path}:2", f"{path}:3"]
    assert "hosts" in str(warnings[0].hint)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("#!/bin/sh\necho '{}'\n", "inventory script"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "locked by ansible-vault"),
        ("pc01 ansible_host=192.0.2.1\n", "mapping of groups"),
        ("[loket]\npc01\n", "INI format"),
        ('{"_meta": {"hostvars": {}}, "all": {"children": []}}', "--yaml"),
    ],
)
def test_inventories_of_another_kind_are_recognised(tmp_path: Path, text: str, what: str) -> None:
    ((_, said, hint),) = problems_of(write(tmp_path, text, "hosts"))
    assert what in said
    assert hint


def test_a_folder_that_leads_to_itself_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "all: {hosts: {pc01: }}")
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    (tmp_path / "group_vars" / "all" / "lagi").symlink_to(tmp_path / "group_vars" / "all")
    assert "cannot be read" in problems_of(path)[0][1]


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    binary = tmp_path / "biner.yaml"
    binary.write_bytes(b"all:\n  \xff\xfe\x00")
    large = tmp_path / "besar.yaml"
    large.write_bytes(b"#" * 16_000_001)
    assert "not text in UTF-8" in problems_of(binary)[0][1]
    assert "larger than 16 MB" in problems_of(large)[0][1]
    assert "no such file" in problems_of(tmp_path / "tiada.yaml")[0][1]
    assert "not text" in problems_of([binary, large])[0][1]
    assert len(problems_of([binary, large])) == 2
    assert "no host" in problems_of(write(tmp_path, "", "kosong.yaml"))[0][1]
    deep = write(tmp_path, "a: " + "[" * 5000 + "]" * 5000, "dalam.yaml")
    assert "levels deep" in problems_of(deep)[0][1]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("pc[01:03]", ["pc01", "pc02", "pc03"]),
        ("pc[8:10]", ["pc8", "pc9", "pc10"]),
        ("pc[098:101]", ["pc098", "pc099", "pc100", "pc101"]),
        ("web[1:9:4]", ["web1", "web5", "web9"]),
        ("r[a:c]", ["ra", "rb", "rc"]),
        ("[a:b][1:2].x", ["a1.x", "a2.x", "b1.x", "b2.x"]),
        ("biasa", ["biasa"]),
    ],
)
def test_ranges(written: str, names: list[str]) -> None:
    assert expand(written) == names


@pytest.mark.parametrize(
    "written",
    ["pc[3:1]", "pc[01:100]", "pc[1:a]", "pc[a:Z]", "pc[1:5:0]", "pc[", "pc]", "pc[1]", "pc[:]", "x[1:300][1:300]"],
)
def test_ranges_that_mean_nothing(written: str) -> None:
    with pytest.raises(UnitError):
        expand(written)


@pytest.mark.parametrize("written", ["pc[1:99999999]", "pc[1:99999999999]", "pc[0:50000]", "x[1:300][1:300]"])
def test_a_range_of_too_many_says_the_limit(written: str) -> None:
    with pytest.raises(UnitError) as caught:
        expand(written)
    assert "at most 50000" in caught.value.hint.en


def test_two_thousand_hosts_are_no_reason_to_wait(tmp_path: Path) -> None:
    rows = "\n".join(
        f"    pc{i:04}: {{ansible_host: 10.0.{i // 250}.{i % 250}, asset_tag: A-{i}, location: user}}"
        for i in range(2000)
    )
    path = write(tmp_path, f"all:\n  vars: {{ansible_user: teknisi}}\n  hosts:\n{rows}\n")
    began = time.process_time()
    hosts = load(path).select("all:!pc0001")
    assert len(hosts) == 1999
    assert time.process_time() - began < 1.0  # measured 0.1 s; the rest is for a busy machine


_WORDS = st.sampled_from(
    [
        "all",
        "hosts",
        "children",
        "vars",
        "pc[1:3]",
        "pc[3:1]",
        "ungrouped",
        "ansible_host",
        "ansible_port",
        "password",
        "file",
        "{{ x }}",
        "{{",
        "location",
    ]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | _WORDS
_TREES = st.recursive(
    _LEAVES,
    lambda t: st.lists(t, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=4), t, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(_TREES)
def test_whatever_stands_in_a_tree_is_an_inventory_or_an_inventory_error(
    tmp_path_factory: pytest.TempPathFactory, tree: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(json.dumps({"all": tree}), encoding="utf-8")
    try:
        load(path, environment={}).select("all")
    except InventoryError as error:
        assert error.problems  # noqa: PT017 - either is right, and this is the error's own promise


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet="{}[]:,-&*!|>'\"% \n\tab0.<~", max_size=80).map(str.encode))
def test_whatever_bytes_stand_in_the_file(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz-bytes"
    path.write_bytes(raw)
    try:
        load(path, environment={}).select("all")
    except InventoryError as error:
        assert error.problems  # noqa: PT017 - either is right, and this is the error's own promise


@settings(max_examples=200, deadline=None)
@given(pattern=st.text(alphabet="abkloetpc0123[]:,!&*?~().-^$|@ ", max_size=12))
def test_whatever_the_pattern(office: Inventory, pattern: str) -> None:
    try:
        assert office.select(pattern)
    except InventoryError as error:
        assert error.problems  # noqa: PT017 - either is right, and this is the error's own promise
