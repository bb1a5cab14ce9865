"""The documentation is held against the product: words, examples, commands, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from agent import actions, probes
from agent.actions import KINDS as ACTIONS
from agent.probes import KINDS as PROBES
from controller.cli.app import app
from controller.playbook import load
from controller.playbook.schema import json_schema

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLAYBOOK_PAGE = (ROOT / "docs/playbook.md").read_text("utf-8")
GUIDES = [(ROOT / f"docs/guide/{language}.md").read_text("utf-8") for language in ("id", "en")]
TOLD_IN_PASSING = {"About", "Undo", "Bounds", "Disk", "Ram", "Inodes", "Cpu", "Dotnet", "VcRuntime", "Action", "Probe"}
OF_WINDOWS = {"build", *actions.OF_WINDOWS, *probes.OF_WINDOWS}
"""A fragment with one of these words is for Windows."""

TABLES = re.findall(r"<!-- words: (\w+) -->\n((?:\|.*\n)+)", PLAYBOOK_PAGE)
FRAGMENTS = re.findall(r"<!-- (requirements|action|probe|variant) -->\n```yaml\n(.*?)```", PLAYBOOK_PAGE, re.DOTALL)
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def words_of(table: str) -> set[str]:
    return {word for row in table.splitlines() for word in re.findall(r"^\| `(\w+)`", row)}


@pytest.mark.parametrize(("name", "table"), TABLES, ids=[name for name, _ in TABLES])
def test_every_word_of_the_format_stands_in_its_table(name: str, table: str) -> None:
    schema = json_schema()
    model = schema if name == "Format" else schema["$defs"][name]
    assert words_of(table) == set(model["properties"])
    required = {word for word in words_of(table) if f"| `{word}` * |" in table}
    assert required == set(model.get("required", ()))


def test_no_part_of_the_format_is_left_out() -> None:
    parts = {"Format", *json_schema()["$defs"]}
    assert {name for name, _ in TABLES} == parts - TOLD_IN_PASSING


@pytest.mark.parametrize(("chapter", "kinds"), [("Actions", ACTIONS), ("Probes", PROBES)])
def test_every_kind_that_the_agent_knows_has_a_section_and_an_example(chapter: str, kinds: tuple[str, ...]) -> None:
    text = PLAYBOOK_PAGE.split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == set(kinds)
    examples = [fragment for place, fragment in FRAGMENTS if f"{place.title()}s" == chapter]
    assert {kind for fragment in examples for kind in yaml.safe_load(fragment)} == set(kinds)


def read_playbook(document: dict[str, Any], folder: Path) -> Any:
    for payload in document.get("payloads", {}).values():
        if "file" in payload:
            (folder / payload["file"]).write_bytes(b"")
    path = folder / "playbook.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return load(str(path), [])


@pytest.mark.parametrize(("place", "fragment"), FRAGMENTS)
def test_examples_are_read(place: str, fragment: str, tmp_path: Path) -> None:
    given = yaml.safe_load(fragment)
    is_windows = bool(OF_WINDOWS & given.keys())
    variant: dict[str, Any] = {
        "when": {"os": "windows" if is_windows else "linux"},
        "install": [{"command": {"argv": ["curl"]}} if is_windows else {"deb": {"packages": ["curl"]}}],
        "test": [{"port": {"port": 80}}],
    }
    variant |= {"requirements": given} if place == "requirements" else {}
    variant |= {"install": [given]} if place == "action" else {}
    variant |= {"test": [given]} if place == "probe" else {}
    variant |= given if place == "variant" else {}
    payload = {"url": "https://mirror.example.invalid/x", "sha256": "0" * 64}
    document = {
        "pasang": 1,
        "software": {"name": "x", "version": "1", "publisher": "x", "licence": "x"},
        "payloads": dict.fromkeys(re.findall(r"nginx-common|nginx|loket", fragment), payload),
        "variants": [variant],
    }
    [read] = read_playbook(document, tmp_path).variants
    if place == "requirements":
        assert given.keys() <= read["requirements"].keys()
    elif place == "variant":
        assert given.keys() <= read.keys()
    else:
        assert [row["kind"] for row in read["install" if place == "action" else "test"]] == list(given)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/playbook.md"], ids=lambda page: page.name)
def test_whole_playbooks_are_read(page: Path, tmp_path: Path) -> None:
    whole = [text for kind, text in BLOCKS.findall(page.read_text("utf-8")) if text.startswith("pasang: 1")]
    assert whole
    for text in whole:
        assert read_playbook(yaml.safe_load(text), tmp_path).software["name"]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command that the pages show: in blocks of shell, and `pasang …` within sentences."""
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line for kind, block in BLOCKS.findall(text) if kind == "bash" for line in block.splitlines()]
        for found in [*lines, *re.findall(r"`(pasang [^`…]*)…?`", BLOCKS.sub("", text))]:
            line = found.split(" # ")[0].strip()
            if line.startswith("pasang "):
                yield page.name, shlex.split(line)[1:]


def paths(command: Any) -> Iterator[tuple[str, ...]]:
    """The commands under one, each by its words."""
    if not hasattr(command, "commands"):
        yield ()
        return
    for name, under in command.commands.items():
        yield from ((name, *path) for path in paths(under))


def test_every_command_is_shown() -> None:
    shown = [argv for _, argv in commands()]
    for path in paths(typer.main.get_command(app)):
        assert any(tuple(argv[: len(path)]) == path for argv in shown), path


@pytest.mark.parametrize(("page", "argv"), list(commands()))
def test_commands_exist(page: str, argv: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and argv and not argv[0].startswith("-"):
        assert argv[0] in command.commands, f"{page}: pasang has no {argv[0]}"
        command, argv = command.commands[argv[0]], argv[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [word for word in argv if word.startswith("-") and word not in known | {"--help"}]
    assert not wrong, f"{page}: {command.name} has no {wrong}"


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", BLOCKS.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCKS.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:agent|controller|docs|tests)/[\w./-]+)`", page.read_text("utf-8"))
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_both_guides_have_the_same_shape() -> None:
    shapes = [
        [
            (len(marks), len(BLOCKS.findall(part)))
            for marks, part in re.findall(r"^(##+) ([^\n]+.*?)(?=^##|\Z)", text, re.M | re.S)
        ]
        for text in GUIDES
    ]
    assert shapes[0] == shapes[1]
