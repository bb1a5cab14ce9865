"""Playbooks: the cases under tests/cases/playbook, the way from a name to a file, and what is kept."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import source
from controller.errors import PlaybookError
from controller.playbook import Template, load
from controller.playbook.schema import WORDS, json_schema
from controller.text import Text

CASES = Path(__file__).parents[1] / "cases" / "playbook"
BAD = sorted(p for p in (CASES / "errors").glob("*.yaml") if not p.name.endswith(".expected.yaml"))
GOOD = """\
pasang: 1
software: {name: kilat, version: "2.0", publisher: Contoh, licence: MIT}
payloads:
  kilat: {file: kilat.deb, sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
variants:
  - when: {os: linux, distribution: debian, version: ">=12", arch: amd64}
    requirements: {disk_free: {path: /, at_least: 1.5 GB}, ports_free: ["{{ port }}"]}
    install: [{deb: {payloads: [kilat], timeout: 5m}}, {archive: {payload: kilat, into: "/opt/{{ unit }}"}}]
    run: [{service: {name: kilat, state: running, stable_for: 500ms}}]
    test:
      - http: {url: "http://127.0.0.1:{{ port }}/", json: {galat: null, unit: "{{ unit }}"}, within: 10s}
      - file: {path: /opt/kilat, is: directory}
    configure:
      actions: [{file: {path: /etc/kilat.conf, template: kilat.conf.j2, mode: "644"}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of playbooks with one good one."""
    (tmp_path / "kilat").mkdir()
    (tmp_path / "kilat" / "playbook.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "kilat" / "kilat.conf.j2").write_text("unit = {{ unit }}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", BAD, ids=lambda p: p.stem)
def test_every_mistake_is_named_with_its_line_and_what_to_write(case: Path) -> None:
    expected = source.read(case.with_suffix(".expected.yaml"), limit_bytes=10**6, error=PlaybookError).root
    with pytest.raises(PlaybookError) as caught:
        load(str(case))
    problems = caught.value.problems
    said = [(p.where, p.what.en, p.hint.en if p.hint else "") for p in problems]
    assert len(said) == len(expected), "\n".join(map(str, said))
    for wanted in expected:
        assert any(
            where == f"{case}:{wanted['line']}" and wanted["what"] in what and wanted.get("hint", "") in hint
            for where, what, hint in said
        ), f"{wanted} not among\n" + "\n".join(map(str, said))


@pytest.mark.parametrize("case", BAD, ids=lambda p: p.stem)
def test_mistakes_are_told_in_both_languages(case: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        load(str(case))
    for problem in caught.value.problems:
        assert problem.hint is not None
        assert problem.what.id != problem.what.en
        assert problem.hint.id
        assert problem.hint.en


def test_words_are_brought_into_the_plans_vocabulary(folder: Path) -> None:
    playbook = load("kilat", [folder])
    (variant,) = playbook.variants
    assert variant["when"] == {"os": "linux", "distribution": "debian", "version": ">=12", "arch": "x86_64"}
    assert variant["requirements"] == {
        "disk_free": [{"path": "/", "at_least_bytes": 1_500_000_000}],
        "ports_free": [Template("{{ port }}", "port")],
    }
    assert variant["install"] == [
        {"kind": "deb", "payloads": ["kilat"], "timeout_s": 300},
        {
            "kind": "archive",
            "payload": "kilat",
            "into": Template("/opt/{{ unit }}", "path"),
            "link": "current",
            "strip": 0,
        },
    ]
    assert variant["run"] == [{"kind": "service", "name": "kilat", "state": "running", "stable_for_s": 0.5}]
    assert variant["test"][0]["json"] == {"galat": None, "unit": Template("{{ unit }}", "anything")}
    assert variant["test"][0]["within_s"] == 10
    assert variant["test"][1] == {"kind": "file", "path": "/opt/kilat", "is": "directory"}
    assert variant["configure"] == {
        "decision": "always",
        "attempts": 2,
        "actions": [
            {"kind": "file", "path": "/etc/kilat.conf", "state": "present", "mode": "0644", "template": "kilat.conf.j2"}
        ],
    }
    assert variant["verify"] == variant["uninstall"] == variant["watch"] == []
    assert playbook.templates == {"kilat.conf.j2": "unit = {{ unit }}\n"}
    assert playbook.where("={{ port }}") == f"{folder}/kilat/playbook.yaml:7"
    assert playbook.where("variants/0/configure/0").endswith(":14")


@pytest.mark.parametrize("name", ["kilat", "{folder}/kilat", "{folder}/kilat/playbook.yaml"])
def test_a_playbook_is_a_name_a_folder_or_a_file(folder: Path, name: str) -> None:
    assert load(name.format(folder=folder), [folder]).title == "kilat 2.0"


def test_an_unknown_name_tells_the_nearest(folder: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        load("kilta", [folder])
    assert caught.value.problems[0].hint == Text("yang ada: kilat", "there are: kilat")


def test_what_is_kept_is_the_same_as_what_was_validated(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = load("kilat", [folder], cache=cache)
    assert load("kilat", [folder], cache=cache) == first == load("kilat", [folder])
    (kept,) = cache.iterdir()
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"software": {"name": "dari simpanan", "version": "1"}}))
    assert load("kilat", [folder], cache=cache).software["name"] == "dari simpanan"
    kept.write_text("{")
    assert load("kilat", [folder], cache=cache) == first
    (folder / "kilat" / "playbook.yaml").write_text(GOOD.replace('"2.0"', '"2.1"'))
    assert load("kilat", [folder], cache=cache).title == "kilat 2.1"


def test_a_template_is_checked_even_when_the_playbook_is_kept(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load("kilat", [folder], cache=cache)
    (folder / "kilat" / "kilat.conf.j2").write_text("a\n{% if %}\n")
    with pytest.raises(PlaybookError) as caught:
        load("kilat", [folder], cache=cache)
    assert caught.value.problems[0].where == f"{folder}/kilat/kilat.conf.j2:2"
    (folder / "kilat" / "kilat.conf.j2").unlink()
    with pytest.raises(PlaybookError, match="there is no such file"):
        load("kilat", [folder], cache=cache)


@pytest.mark.parametrize("name", ["playbook.yaml", "kilat.conf.j2"])
def test_what_is_too_large_is_said_with_what_can_be_done(folder: Path, name: str) -> None:
    path = folder / "kilat" / name
    path.write_text(path.read_text() + "# " + "x" * 1_000_000 + "\n")
    with pytest.raises(PlaybookError, match="larger than 1 MB") as caught:
        load("kilat", [folder])
    assert "into a payload" in caught.value.say("en")


def test_a_template_behind_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "luar").write_text("rahasia")
    (folder / "kilat" / "kilat.conf.j2").unlink()
    (folder / "kilat" / "kilat.conf.j2").symlink_to(tmp_path / "luar")
    with pytest.raises(PlaybookError, match="lies outside"):
        load("kilat", [folder])


def test_the_schema_explains_every_word_and_knows_no_other() -> None:
    schema = json_schema()
    words = {w for model in [schema, *schema["$defs"].values()] for w in model.get("properties", {})}
    assert words == set(WORDS)
    assert schema["$schema"].endswith("2020-12/schema")
    for model in schema["$defs"].values():
        if model["type"] == "object":
            assert model["additionalProperties"] is False
    assert json_schema("id")["properties"]["software"]["description"] == "piranti lunak yang dipasang"


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["{{ x }}", "{{", "{% x %}", "10s"]),
)
_TREES = st.recursive(
    _LEAVES, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=4), t, max_size=3), max_leaves=6
)


def _paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(p for key, value in pairs for p in _paths(value, (*path, key)))]


_ROOT = source.parse(GOOD, "good", error=PlaybookError)
_PATHS = [p for p in _paths(_ROOT) if p]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_PATHS), _TREES, st.booleans())
def test_whatever_stands_anywhere_is_a_playbook_or_a_playbook_error(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], tree: Any, rename: bool
) -> None:
    root = copy.deepcopy(json.loads(json.dumps(_ROOT)))
    node = root
    for key in path[:-1]:
        node = node[key]
    if rename and isinstance(node, dict):
        node[str(tree)[:10]] = node.pop(path[-1])
    else:
        node[path[-1]] = tree
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    (folder / "kilat.conf.j2").write_text("x")
    file = folder / "playbook.yaml"
    file.write_text(json.dumps(root), encoding="utf-8")
    places = []
    try:
        load(str(file))
    except PlaybookError as error:
        places = [p.where for p in error.problems]
    assert all(place.startswith(str(folder)) for place in places)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="{}[]:,-&*!|>'\"% \n\tab0.", max_size=60).map(str.encode))
def test_whatever_bytes_stand_in_the_file(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(raw)
    with pytest.raises(PlaybookError):
        load(str(file))


@pytest.fixture(autouse=True)
def _clean(tmp_path_factory: pytest.TempPathFactory) -> Any:
    yield
    shutil.rmtree(tmp_path_factory.getbasetemp() / "fuzz", ignore_errors=True)


WINDOWS = """\
pasang: 1
software: {{name: arsip, version: "1.0.0", publisher: Contoh, licence: MIT}}
payloads:
  arsip: {{file: arsip.bin, sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}
variants:
  - when: {{os: {system}}}
    install: [{{{action}}}]
    test: [{{{probe}}}]
"""


@pytest.mark.parametrize(
    ("action", "probe", "what", "hint"),
    [
        ("msi: {payload: arsip, propertis: {A: 1}}", "", "the word 'propertis' is not known here", "properties"),
        ("msi: {payload: arsip, properties: {Kantor: 1}}", "", "those that can be given from outside", "KANTOR"),
        ("msi: {payload: arsip, properties: {ADDLOCAL: A}}", "", "not written as a property", "features"),
        ("msi: {payload: arsip, transforms: [arsp]}", "", "there is no 'arsp' under payloads", "arsip"),
        ("exe: {payload: arsip, detect: {}}", "", "exactly one of program, file, registry, service", "program"),
        ("exe: {payload: arsip, detect: {service: A, version: '1'}}", "", "version is for program and", "version"),
        ("registry: {key: 'HKCU\\Software\\A'}", "", "the account the agent runs as", "HKLM"),
        ("registry: {key: 'HKLN\\Software\\A'}", "", "is not a registry key", "HKLM"),
        ("registry: {key: 'HKLM\\Software\\A', value: a}", "", "data is missing", "data"),
        ("registry: {key: 'HKLM\\Software\\A', value: a, type: dword, data: x}", "", "is no number for a dword", "0x1"),
        ("registry: {key: 'HKLM\\Software\\A', value: a, data: [x, y]}", "", "a string holds one data", "multi"),
        ("registry: {key: 'HKLM\\Software\\A', value: a, type: mult, data: x}", "", "means nothing here", "multi"),
        ("registry: {key: 'HKLM\\Software\\A', view: 16}", "", "is not 64 or 32", "64"),
        ("service: {name: A, enabled: manuel}", "", "is not true or false", "manual"),
        ("service: {name: A, define: {argv: [a], user: b}}", "", "means nothing on windows", "os: linux"),
        ("", "registry: {key: 'HKLM\\Software\\A', equals: x}", "equals and contains need value", "name"),
        ("", "program: {nama: A}", "the word 'nama' is not known here", "name"),
        ("", "version: {package: a, equals: '1'}", "version: package means nothing on windows", "os: linux"),
    ],
)  # fmt: skip
def test_mistakes_of_windows_are_told(tmp_path: Path, action: str, probe: str, what: str, hint: str) -> None:
    text = WINDOWS.format(system="windows", action=action or "msi: {payload: arsip}", probe=probe or "port: {port: 80}")
    (tmp_path / "playbook.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlaybookError) as caught:
        load(str(tmp_path))
    said = [(problem.what.en, problem.hint.en) for problem in caught.value.problems if problem.hint]
    assert any(what in told and hint in mends for told, mends in said), said


@pytest.mark.parametrize(
    ("action", "probe"),
    [
        ("registry: {key: 'HKLM\\Software\\A'}", ""),
        ("service: {name: A, enabled: manual}", ""),
        ("", "version: {file: /a, equals: '1'}"),
        ("", "program: {name: A}"),
    ],
)
def test_what_windows_alone_has_is_no_word_for_linux(tmp_path: Path, action: str, probe: str) -> None:
    text = WINDOWS.format(system="linux", action=action or "deb: {packages: [a]}", probe=probe or "port: {port: 80}")
    (tmp_path / "playbook.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlaybookError, match="linux"):
        load(str(tmp_path))


def test_what_windows_takes_in_the_plans_words(tmp_path: Path) -> None:
    key = "'HKEY_LOCAL_MACHINE\\Software\\\\A\\'"
    for action, normal in {
        f"registry: {{key: {key}, value: '', type: dword, data: 0x1f, view: 32}}": {
            "key": "HKLM\\Software\\A", "value": "", "type": "dword", "data": "31", "view": "32", "state": "present",
        },
        "service: {name: A, enabled: delayed}": {"name": "A", "enabled": "delayed"},
        "exe: {payload: arsip, silent: [], detect: {registry: {key: 'HKLM\\A', value: v}}}": {
            "payload": "arsip", "silent": [], "detect": {"registry": {"key": "HKLM\\A", "value": "v"}},
        },
    }.items():  # fmt: skip
        text = WINDOWS.format(system="windows", action=action, probe="port: {port: 80}")
        (tmp_path / "playbook.yaml").write_text(text, encoding="utf-8")
        [found] = load(str(tmp_path)).variants[0]["install"]
        assert {name: value for name, value in found.items() if name != "kind"} == normal
