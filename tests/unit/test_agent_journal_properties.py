"""A journal that is opened, written, torn, cut and read in any order: what was on the disk is never lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.journal import Journal, read_lines
from agent.protocol import LINE_LIMIT_BYTES, encode

TEXTS = st.text(st.characters(), max_size=12)  # with halves of surrogate pairs: names in no known encoding
FIELDS = st.dictionaries(st.sampled_from(["found", "title", "undo", "evidence"]), TEXTS | st.integers() | st.none())
TAILS = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda data: data + b"\n"),
    st.integers(1, 4096).map(bytes),  # what a file system leaves that knows a length and not the content
    st.sampled_from([b"{}\n", b"[]\n", b"null\n", b'{"seq":1}\n', b'{"type":"effect","seq":"2"}\n', b'{"seq":true}\n']),
)


class Story(RuleBasedStateMachine):
    """One journal on one disk. Writers come one after another, as the lock has it; readers come and go meanwhile."""

    readers = Bundle("readers")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.path = self.folder / "run" / "journal.ndjson"
        self.path.parent.mkdir()
        self.writer: Journal | None = None
        self.written: list[dict[str, Any]] = []
        self.safe = 0
        """How many records no power cut can take."""

    def teardown(self) -> None:
        if self.writer is not None:
            os.close(self.writer._fd)
        shutil.rmtree(self.folder)

    def is_written(self) -> bool:
        return self.writer is not None

    @precondition(lambda self: self.writer is None)
    @rule()
    def open(self) -> None:
        self.writer = Journal(str(self.path))
        assert self.writer.records[: self.safe] == self.written[: self.safe]
        assert self.writer.records == self.written[: len(self.writer.records)]
        self.written = list(self.writer.records)
        self.safe = len(self.written)

    @precondition(is_written)
    @rule(fields=FIELDS, durable=st.booleans())
    def append(self, fields: dict[str, Any], durable: bool) -> None:
        assert self.writer is not None
        record = self.writer.append("effect", durable=durable, **fields)
        assert record["seq"] == len(self.written) + 1
        self.written.append(record)
        if durable:
            self.safe = len(self.written)

    @precondition(is_written)
    @rule()
    def sync(self) -> None:
        assert self.writer is not None
        self.writer.sync()
        self.safe = len(self.written)

    @precondition(is_written)
    @rule()
    def close(self) -> None:
        assert self.writer is not None
        self.writer.close()
        self.writer, self.safe = None, len(self.written)

    @precondition(is_written)
    @rule(torn=st.integers(0, 100), fields=FIELDS)
    def be_killed_while_writing(self, torn: int, fields: dict[str, Any]) -> None:
        line = encode({"type": "effect", "seq": len(self.written) + 1, **fields})
        self._die()
        with self.path.open("ab") as file:
            file.write(line[: torn % len(line)])

    @precondition(is_written)
    @rule(share=st.floats(0, 1), tail=TAILS)
    def lose_power(self, share: float, tail: bytes) -> None:
        """What was not on the disk is there, or not, or something else is."""
        assert self.writer is not None
        safe_bytes = max(0, self.writer._synced_bytes)
        self._die()
        whole = self.path.read_bytes()
        self.path.write_bytes(whole[: safe_bytes + round(share * (len(whole) - safe_bytes))] + tail)

    def _die(self) -> None:
        assert self.writer is not None
        os.close(self.writer._fd)
        self.writer = None

    @rule(target=readers)
    def come_to_read(self) -> dict[str, int]:
        return {"seen": 0, "safe": 0}

    @rule(reader=readers)
    def read(self, reader: dict[str, int]) -> None:
        """A reader sees the story so far, and never less of it than was safe when it last looked."""
        if not self.path.exists():
            return
        records = [record for _, record in read_lines(str(self.path))]
        assert len(records) >= reader["safe"]
        common = min(len(records), len(self.written))
        assert records[:common] == self.written[:common]
        reader["safe"] = self.safe

    @invariant()
    def what_is_safe_is_there(self) -> None:
        if self.safe:
            records = [record for _, record in read_lines(str(self.path))]
            assert records[: self.safe] == self.written[: self.safe]
            assert [record["seq"] for record in records] == list(range(1, len(records) + 1))


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@settings(max_examples=100, deadline=None)
@given(fields=FIELDS, name=st.binary(min_size=1, max_size=12))
def test_a_name_in_no_known_encoding_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any], name: bytes
) -> None:
    path = tmp_path_factory.mktemp("names") / "journal"
    journal = Journal(str(path))
    written = journal.append("intent", **{**fields, "undo": {"path": os.fsdecode(name)}})
    journal.append("effect")
    journal.close()
    path.read_bytes().decode("utf-8")
    again = Journal(str(path))
    again.close()
    assert len(again.records) == 2
    assert again.records[0] == written
    assert os.fsencode(again.records[0]["undo"]["path"]) == name


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "journal"
    with path.open("wb") as file:
        file.write(encode({"type": "facts", "seq": 1}))
        file.truncate(40 * LINE_LIMIT_BYTES)
    tracemalloc.start()
    try:
        assert [record["seq"] for _, record in read_lines(str(path))] == [1]
        assert tracemalloc.get_traced_memory()[1] < 4 * LINE_LIMIT_BYTES
    finally:
        tracemalloc.stop()
