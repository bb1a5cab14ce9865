"""The seam to the operating system: both sides have what is asked for; and what of Windows' side needs no Windows."""

from __future__ import annotations

import ast
import shlex
import struct
from pathlib import Path

import pytest

from agent.windows import links, native, start, trees
from agent.windows.boot import name_of
from controller import runtime

AGENT = Path(__file__).parents[2] / "agent"
LINUX_ALONE = {"bus", "keeper", "linux", "locks", "systemd"}
"""What Windows has no counterpart of; nobody asks for it there."""


def asked() -> dict[str, set[str]]:
    """By module of ``agent.host``, the names that the rest of what Windows is sent asks of it."""
    found: dict[str, set[str]] = {}
    for name, source in runtime.agent_files("windows").items():
        if name.startswith("agent/windows/"):
            continue
        tree = ast.parse(source)
        known = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "agent.host"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
                found.setdefault(known[node.value.id], set()).add(node.attr)
    return {module: names for module, names in found.items() if module not in LINUX_ALONE}


def names_in(path: Path) -> set[str]:
    """What a module defines or takes in at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.If):
            found |= {one.name for one in ast.walk(node) if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
    return found


def test_what_is_asked_of_the_platform_both_have() -> None:
    modules = asked()
    assert {"native", "start", "trees", "calls", "boot", "detached", "processes"} <= modules.keys()
    for module, names in modules.items():
        for side in ("host", "windows"):
            path = AGENT / side / f"{module}.py"
            assert path.exists(), f"{side} has no {module}"
            assert names <= names_in(path), f"{path}: {sorted(names - names_in(path))}"


def test_nobody_else_asks_for_the_platform() -> None:
    for path in AGENT.rglob("*.py"):
        parts = path.relative_to(AGENT).parts
        if "windows" in parts or parts in {("host", "__init__.py"), ("stage.py",), ("host", "processes.py")}:
            continue
        content = path.read_text("utf-8")
        assert "sys.platform" not in content, path
        assert not {"ctypes", "msvcrt", "winreg", "_winapi"} & {
            alias.name
            for node in ast.walk(ast.parse(content))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }, path


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a.exe", "b c", ""], 'a.exe "b c" ""'),
        (["a", 'say "hi"'], 'a "say \\"hi\\""'),
        (["a", "C:\\x y\\"], 'a "C:\\x y\\\\"'),
        (["a", "C:\\x\\"], "a C:\\x\\"),
        (["a", 'b\\"c'], 'a "b\\\\\\"c"'),
        ([*native.SHELL, 'echo "a b" & exit 3'], 'cmd.exe /d /s /c "echo "a b" & exit 3"'),
    ],
)
def test_command_lines(words: list[str], line: str) -> None:
    """Source: Parsing C++ command-line arguments (the table of results)."""
    assert start.command_line(words) == line


def test_words_without_anything_special_stand_as_they_are() -> None:
    assert shlex.split(start.command_line(["a", "b/c", "--d=e"])) == ["a", "b/c", "--d=e"]


@pytest.mark.parametrize("name", ["a:b", "c:\\x", "con", "sub/aux.txt", "a.", "a ", "..\\x", "/x", "a?b", "LPT1.log"])
def test_names_that_mean_something_else_to_windows(name: str) -> None:
    assert native.is_unfit(name)


@pytest.mark.parametrize("name", ["a/b.txt", "konsol/aux-1", "é ö/x", "./a", "a/../b", "com10"])
def test_names_that_mean_what_they_say(name: str) -> None:
    assert not native.is_unfit(name)


def test_where_a_junction_leads() -> None:
    """Source: REPARSE_DATA_BUFFER, with the names that mklink /J writes."""
    data = links.reparse_data("C:\\Program Files\\Salam\\releases\\1")
    tag, size, _, name_at, name_bytes, shown_at, shown_bytes = struct.unpack_from("<LHHHHHH", data)
    names = data[16:]
    assert (tag, size) == (0xA0000003, len(data) - 8)
    assert names[name_at : name_at + name_bytes].decode("utf-16-le") == "\\??\\C:\\Program Files\\Salam\\releases\\1"
    assert names[shown_at : shown_at + shown_bytes].decode("utf-16-le") == "C:\\Program Files\\Salam\\releases\\1"


def test_names_of_our_services() -> None:
    assert name_of("/x/runs/r1.pc 1/é") == "PasangAgent-é"
    assert name_of("/x/runs/r1.pc_1") == "PasangAgent-r1.pc-1"
    assert trees.label_of("PASANG_PROGRAM=00ff") == "00ff"
