"""No secret passes a cut: neither whole, nor what the cut leaves of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import program
from agent.journal import Journal, read_lines
from agent.redact import MASK, NOTHING, SHORTEST, Redactor

SECRET = "KataSandiRahasia2026"
LETTERS = st.characters(codec="utf-8", exclude_characters="*…")
SECRETS = st.text(LETTERS, min_size=SHORTEST, max_size=24)
AROUND = st.text(st.sampled_from("ab \n"), max_size=30)


def leaks(secret: str, shown: str) -> bool:
    """Whether the secret, or of its beginning or end so much as is looked for, is left in a text that was cut."""
    ends = {secret[:SHORTEST], secret[-SHORTEST:]}
    return any(end in shown for end in ends)


@given(SECRETS, AROUND, AROUND, st.integers(2, 90), st.integers(1, 5))
def test_no_cut_shows_what_is_left_of_a_secret(secret: str, before: str, after: str, limit: int, times: int) -> None:
    assume(not leaks(secret, before + MASK + after + MASK + before) and len({*secret}) > 1)
    content = before + (secret + after) * times
    known = Redactor([secret])
    for shown in (known.head(content, limit), known.tail(content, limit), known.short(content, limit)):
        assert not leaks(secret, shown)
    place = limit % (len(content) + 1)
    for shown in (known.part(content, place), known.part(content, 0, place), known.part(content, place, place + 5)):
        assert not leaks(secret, shown)
    assert not leaks(secret, known.text(known.behind(content, len(content) - place)))


@given(SECRETS, st.integers(0, 60), st.integers(0, 30))
def test_a_tail_of_a_stream_does_not_begin_within_a_secret(secret: str, before: int, after: int) -> None:
    assume(not leaks(secret, "ab" * 30) and len({*secret}) > 1)
    data = b"a" * before + secret.encode() * 3 + b"b" * after
    known = Redactor([secret])
    with pytest.MonkeyPatch.context() as patch:
        for limit in range(1, len(data) + 2):
            patch.setattr(program, "OUTPUT_LIMIT_BYTES", limit)
            assert not leaks(secret, known.text(program.tail(io.BytesIO(data), known))), limit


def test_what_is_not_cut_is_as_it_was() -> None:
    known = Redactor([SECRET, "abc", "ab"])
    assert known.text("biasa abc") == "biasa abc", "a short secret is one only where it is all there is"
    assert known.text("abc") == MASK
    assert known.text(f"a {SECRET}{SECRET} b") == "a ****** b"
    assert Redactor(["abcab", "cabde"]).text("xabcabdex") == "x***x", "two that overlap leave nothing of either"
    assert NOTHING.short("a  b\nc") == "“a b c”"
    assert NOTHING.head("a" * 100, 100) == "a" * 100
    assert NOTHING.head("a" * 101, 100) == "a" * 99 + "…"


@pytest.mark.parametrize("secret", ["1", "true", "2026", "effect", "failed", "seq", "null", SECRET])
def test_a_secret_leaves_the_journal_readable(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "journal"
    journal = Journal(str(path), secrets=Redactor([secret]))
    journal.append("effect", step=1, result="failed", evidence={"argv": ["x", secret], "ok": True, "reason": None})
    journal.close()
    ((_, record),) = read_lines(str(path))
    assert (record["type"], record["seq"], record["result"], record["step"]) == ("effect", 1, "failed", 1)
    assert record["evidence"] == {"argv": ["x", MASK], "ok": True, "reason": None}


def test_titles_probes_and_evidence_are_cut_after_their_secrets_are_hidden(tmp_path: Path) -> None:
    from agent.actions import ActionFailed, command
    from agent.host.linux import LinuxHost
    from agent.probes import probe

    host = LinuxHost(str(tmp_path))
    host.secrets = Redactor([SECRET])
    argv = ["/usr/bin/env", "APP_USER=loket", "APP_MODE=production", "APP_HOST=db.kantor.example.invalid"]
    spec = {"kind": "command", "argv": [*argv, f"APP_PASSWORD={SECRET}", "true"]}
    repeats = f"for i in $(seq 400); do printf 'a {SECRET} '; done; exit 1"
    prints = f"for i in $(seq 3000); do echo {SECRET} isi; done; exit 3"
    log = tmp_path / "app.log"
    log.write_text(f"awal {'x' * 30} {SECRET} {'y' * 60} {SECRET}\n" * 3)
    since = {"at": 0, "logs": {str(log): 0}}
    shown: list[Any] = [
        command.title(host.secrets.masked(spec)),
        probe(spec, host, {}),
        probe({"kind": "command", "argv": ["sh", "-c", repeats]}, host, {}),
        probe(
            {"kind": "command", "argv": ["sh", "-c", prints], "contains": "z" * 70 + SECRET, "exit_code": 3}, host, {}
        ),
        probe({"kind": "version", "argv": ["echo", "x" * 30 + SECRET], "equals": "1.0"}, host, {}),
        probe({"kind": "file", "path": str(log), "contains": "z" * 33 + SECRET + "z" * 33}, host, {}),
        probe({"kind": "log", "path": str(log), "absent": "awal"}, host, since),
        host.run(["sh", "-c", prints]).evidence(),
    ]
    with pytest.raises(ActionFailed) as failed:
        command.apply({"shell": prints}, host)
    shown.append(failed.value.evidence)
    journal = Journal(str(tmp_path / "journal"), secrets=host.secrets)
    for each in shown:
        journal.append("probe", row=each)
    journal.close()
    recorded = "\n".join(str(record["row"]) for _, record in read_lines(str(tmp_path / "journal")))
    assert "APP_PASSWORD=***" in recorded
    assert not [each for each in shown[2:7] if each["verdict"] == "passed"]
    assert not leaks(SECRET, recorded)
