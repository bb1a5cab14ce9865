"""The command lines of Windows computers, and the script for those without tar.exe, as far as they can be read."""

from __future__ import annotations

import base64
import re
import zlib

import pytest
import tree_sitter
import tree_sitter_powershell

from controller.errors import InventoryError
from controller.transport.winrm.commands import boot_command, bring_command, shell

DIGEST, OTHER = "a" * 64, "b" * 64


def words(line: str) -> str:
    """A line without what stands in quotes: what cmd.exe reads."""
    return re.sub(r'"[^"]*"', '""', line)


@pytest.mark.parametrize("digests", [[], [DIGEST], [DIGEST, OTHER, "c" * 64]])
@pytest.mark.parametrize("python", [None, r"C:\Kantor & Rapat (é)\python.exe"])
def test_a_line_is_one_that_cmd_takes(digests: list[str], python: str | None) -> None:
    line = boot_command(digests, python=python)
    assert line.startswith("echo off&"), "what a loop runs is not to be printed"
    assert len(line) < 8191
    assert line.count('"') % 2 == 0
    read = words(line)
    depth = 0
    for letter in read:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert set(re.findall(r"%(\w+)%", line)) == {"ProgramFiles", "SystemRoot", "PROCESSOR_ARCHITECTURE"}
    assert set(re.findall(r"%(?!\w+%)(.)", re.sub(r"%\w+%", "", line))) == {"i", "f"}
    assert "&&" not in read, "Wine's cmd.exe goes on after it where it should not"


def test_it_waits_only_for_what_can_be_brought() -> None:
    assert "(0,1,0)" in boot_command([])
    assert "in (none *)" in boot_command([]), "any that was brought before"
    assert "(0,1,900)" in boot_command([DIGEST])
    assert f"in (none {DIGEST}.* {OTHER}.*)" in boot_command([DIGEST, OTHER])


def test_interpreters_of_other_systems_are_not_for_windows() -> None:
    assert boot_command([], python="/usr/bin/python3") == boot_command([]) == boot_command([], python="auto_silent")
    assert '(if exist "C:\\Python 3\\python.exe" (' in boot_command([], python=r"C:\Python 3\python.exe")


@pytest.mark.parametrize(
    "path", ['C:\\a" & echo "', r"C:\%TEMP%\python.exe", r"C:\a|b.exe", "C:\\a\nb.exe", r"C:\python"]
)
def test_what_cmd_would_read_otherwise_is_bad_input(path: str) -> None:
    with pytest.raises(InventoryError, match="ansible_python_interpreter"):
        boot_command([], python=path)


def test_only_digests_get_into_a_line() -> None:
    for digest in ("a" * 63, "A" * 64, "& echo x", DIGEST + "\n"):
        with pytest.raises(ValueError, match="command line"):
            boot_command([digest])
        with pytest.raises(ValueError, match="command line"):
            bring_command(f"{DIGEST}.1f", digest)
    for folder in (DIGEST, f"{DIGEST}.x", f"{DIGEST}.1\\..", f"..\\{DIGEST}.1"):
        with pytest.raises(ValueError, match="command line"):
            bring_command(folder, OTHER)


def test_success_is_no_exit_code() -> None:
    line = bring_command(f"{DIGEST}.1f", OTHER)
    assert rf'if not exist "%ProgramFiles%\Pasang\python\{DIGEST}.1f\whole" (rmdir' in line
    assert "tar.exe" in line
    assert "powershell" not in line


def script() -> str:
    return base64.b64decode(shell().rpartition(" ")[2]).decode("utf-16-le")


def test_without_tar_the_script_goes_with_the_line() -> None:
    line = bring_command(f"{DIGEST}.1f", OTHER, has_tar=False)
    assert len(line) < 8191, "cmd.exe takes no longer one"
    assert f'set "PASANG_INTO=%ProgramFiles%\\Pasang\\python\\{DIGEST}.1f"& "%SystemRoot%' in line
    assert "tar.exe" not in line
    assert len(zlib.compress(script().encode())) < 600, "it is to stay tiny"


def test_the_scripts_syntax_is_powershells() -> None:
    """It cannot be run here; the grammar is Microsoft's own, as tree-sitter has it."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(script().encode()).root_node.has_error
    assert parser.parse(script().replace("}", "", 1).encode()).root_node.has_error
    assert not re.search(r"[^\x20-\x7e\n]", script())
