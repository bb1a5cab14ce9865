"""What is made of a program's exit code and words."""

from __future__ import annotations

import pytest

from agent.probes import asked, command
from agent.protocol import text
from tests.unit.probing import MISSING, SINCE, Programs


@pytest.mark.parametrize(
    ("words", "host", "verdict"),
    [
        ({}, Programs(), "passed"),
        ({}, Programs(1), "failed"),
        ({"exit_code": 3}, Programs(3), "passed"),
        ({"exit_code": [0, 3]}, Programs(3), "passed"),
        ({"exit_code": 3}, Programs(0), "failed"),
        ({}, Programs(-9), "failed"),
        ({}, Programs(None), "failed"),
        ({}, Programs(trouble=MISSING), "failed"),
        ({"stdout_matches": r"^ok$"}, Programs(out="one\nok\ntwo\n"), "passed"),
        ({"stdout_matches": r"^ok$"}, Programs(err="ok\n"), "failed"),
        ({"stderr_matches": r"test is successful"}, Programs(err="nginx: test is successful\n"), "passed"),
        ({"stderr_matches": r"x"}, Programs(), "failed"),
        ({"contains": "successful"}, Programs(err="test is successful\n"), "passed"),
        ({"contains": "a.c"}, Programs(out="abc"), "failed"),
        ({"stdout_matches": "["}, Programs(), "unknown"),
    ],
)
def test_command(words, host, verdict):
    answer = asked(command, {"kind": "command", "argv": ["nginx", "-t"], **words}, host, SINCE)
    assert answer.verdict == verdict
    assert (answer.reason is None) == (verdict == "passed")


def test_command_passes_on_what_it_is_told():
    host = Programs()
    asked(command, {"kind": "command", "argv": ["x", "-y"], "timeout_s": 3, "environment": {"A": "b"}}, host, SINCE)
    assert host.asked == [(["x", "-y"], {"timeout_s": 3.0, "environment": {"A": "b"}, "directory": None})]


def test_command_shows_the_last_line():
    answer = asked(command, {"kind": "command", "argv": ["x"]}, Programs(1, err="first\n[emerg] no such file\n"), SINCE)
    assert answer.found == text("kode keluar 1, “[emerg] no such file”", "exit 1, “[emerg] no such file”")
    assert "emerg" in answer.reason["id"]
    answer = asked(command, {"kind": "command", "argv": ["x"], "timeout_s": 5}, Programs(None), SINCE)
    assert "5 s" in answer.reason["en"]
