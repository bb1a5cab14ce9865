"""Either side of the line against one that says anything: no crash, no hang, no memory without limit."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.handover import tell
from agent.inbox import Inbox, Outbox
from agent.protocol import LINE_LIMIT_BYTES, MARK, OUTCOMES, ProtocolError, decode, encode
from agent.run import StepFailed
from controller import runtime
from controller.errors import DepotError, HostError
from controller.form.json import to_json
from controller.form.project import project
from controller.run.contact import converse
from controller.run.listener import Listener
from controller.run.work import Patience
from controller.runtime import Runtime
from controller.text import Text
from controller.transport import Options, boot
from controller.transport.memory import Drop, End, Event, Hear, Say
from tests.contract.transports import Connection
from tests.unit.fleet import Clock, Computer, Office, journal, outcomes
from tests.unit.fleet import tell as tells
from tests.unit.test_agent_payloads import CONTENT, DIGEST, small_chunks  # noqa: F401 - a fixture that acts by itself
from tests.unit.test_agent_payloads import Computer as Receiver

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.integers(-10, 5000) | st.integers() | VALUES
DIGESTS = st.sampled_from([DIGEST, "0" * 64, "../../etc/shadow"]) | VALUES
WISHES = st.lists(
    st.fixed_dictionaries({}, optional={"blob": DIGESTS, "offset": NUMBERS, "size": NUMBERS, "chunk_bytes": NUMBERS})
    | VALUES,
    max_size=4,
)
RECORDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["facts", "intent", "run_ended", "waiting", "agent_started", "x" * 40]) | VALUES},
    optional={
        "seq": st.integers(0, 6) | VALUES,
        "at": st.just("2026-11-22T03:00:00.000Z") | VALUES,
        "outcome": st.sampled_from(OUTCOMES) | VALUES,
        "step": VALUES,
        "reason": VALUES,
        "title": VALUES,
        "rollback": VALUES,
        "cpu_seconds": VALUES,
    },
)
ANSWERS = st.fixed_dictionaries(
    {"answer": st.sampled_from(["need", "need", "fault", "end", "facts", "silence"]) | VALUES},
    optional={
        "blobs": WISHES | VALUES,
        "code": st.sampled_from(["busy", "storage", "agent_stopped", "no_run"]) | VALUES,
        "reason": st.fixed_dictionaries({"id": VALUES, "en": VALUES}) | VALUES,
        "holder": VALUES,
    },
)
SENT = st.fixed_dictionaries(
    {"blob": DIGESTS}, optional={"offset": NUMBERS, "size": NUMBERS, "sums": st.lists(DIGESTS, max_size=5) | VALUES}
)
NOISE = st.binary(max_size=200)


def lines(frames: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[bytes]]:
    """Frames as they come over a line, here and there with something else between them."""
    return st.lists(frames.map(encode) | frames.map(encode) | NOISE, max_size=8)


@given(VALUES.filter(lambda value: isinstance(value, dict)), NOISE)
@settings(max_examples=150, deadline=None)
def test_a_frame_is_a_frame_or_refused(value: dict[str, Any], noise: bytes) -> None:
    line = encode(value)
    line.decode("utf-8")
    assert line.count(b"\n") == 1
    again = decode(line)
    assert encode(decode(encode(again))) == encode(again)
    with suppress(ProtocolError):
        assert isinstance(decode(noise), dict)


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 100_000 + b"}", b'{"a":1e999999,"b":NaN,"c":-Infinity}'],
)
def test_what_json_allows_and_nobody_means(line: bytes) -> None:
    try:
        frame = decode(line)
    except ProtocolError:
        return
    assert frame == {"a": None, "b": None, "c": None}


# --- the agent --------------------------------------------------------------------------------------------------------


def heard(pieces: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Frames of an inbox into which these pieces come, one after another, before it ends."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as line, suppress(BrokenPipeError):
            for piece in pieces:
                line.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        inbox = Inbox(stream, 10.0)
        try:
            while True:
                yield inbox.frame()
                assert len(inbox._ahead) <= LINE_LIMIT_BYTES + 256 * 1024
        finally:
            stream.close()
            writer.join()


@given(pieces=lines(SENT | ANSWERS), cuts=st.lists(st.integers(0, 300), max_size=5))
@settings(max_examples=60, deadline=None)
def test_an_inbox_gives_frames_and_then_says_what_is_wrong(pieces: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(pieces)
    places = sorted({cut % (len(whole) + 1) for cut in cuts} | {0, len(whole)})
    split = [whole[begin:end] for begin, end in pairwise(places)]
    found = []
    with pytest.raises((ProtocolError, ConnectionError)):  # noqa: PT012 - it ends by one of them
        for frame in heard(split):
            found.append(frame)
    expected = []
    for line in whole.splitlines(keepends=True) if b"\r" not in whole and b"\x0b" not in whole else ():
        if not line.endswith(b"\n"):
            break
        try:
            expected.append(decode(line))
        except ProtocolError:
            break
    assert found[: len(expected)] == expected


def test_an_inbox_keeps_no_more_than_a_line() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        next(heard([b"x" * (LINE_LIMIT_BYTES + 500_000)]))


@given(said=lines(SENT), part=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_nothing_but_the_payload_becomes_the_payload(
    tmp_path_factory: pytest.TempPathFactory, said: list[bytes], part: bytes
) -> None:
    receiver = Receiver(tmp_path_factory.mktemp("receiver"))
    receiver.part.write_bytes(part)
    with suppress(ProtocolError, ConnectionError, StepFailed):
        receiver.fetch(answer=b"".join(said) or b"\n", silence_s=0.01)
    found = {path.name: path.stat().st_size for path in (receiver.root / "blobs").iterdir()}
    assert set(found) <= {DIGEST, f"{DIGEST}.part"}
    assert found.get(f"{DIGEST}.part", 0) <= len(CONTENT)
    assert DIGEST not in found or receiver.path.read_bytes() == CONTENT


STAGE_LIMIT_BYTES = 512 * 1024 * 1024


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return runtime.prepare(tmp_path_factory.mktemp("home"))


def staged(stage: bytes, job: bytes, root: Path) -> subprocess.CompletedProcess[bytes]:
    """The first stage as it runs on a computer, on what is sent to it; its memory is limited."""
    start = "import sys;n=int(sys.argv[1]);exec(sys.stdin.buffer.read(n))"
    limit = (STAGE_LIMIT_BYTES, STAGE_LIMIT_BYTES)
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, str(len(stage))],
        input=stage + job,
        capture_output=True,
        timeout=20,
        cwd=root,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )


JOBS = st.fixed_dictionaries(
    {"agent": st.just(DIGEST), "compiled": st.just({}) | VALUES, "psutil": st.just({}) | VALUES},
    optional={"do": st.sampled_from(["facts", "run", "clean"]) | VALUES, "protocol": st.just(1) | VALUES, "id": VALUES},
)


@given(job=JOBS | VALUES, sent=lines(SENT), noise=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_first_stage_ends_whatever_it_is_told(
    tmp_path_factory: pytest.TempPathFactory, made: Runtime, job: Any, sent: list[bytes], noise: bool
) -> None:
    place = tmp_path_factory.mktemp("computer")
    root = place / "agen"
    told = encode({**job, "root": str(root)} if isinstance(job, dict) else {"": job})
    done = staged(made.agents["linux"].stage, (b"" if noise else told) + b"".join(sent), place)
    assert b"MemoryError" not in done.stderr
    for line in done.stdout.splitlines():
        assert decode(line)["answer"] in ("need", "fault", "end", "facts")
    assert [path.name for path in place.iterdir()] in ([], ["agen"])
    assert not (root / "agent").exists() or not list((root / "agent").iterdir()), "nothing is run that was not checked"


def test_the_first_stage_reads_no_line_without_end(made: Runtime, tmp_path: Path) -> None:
    done = staged(made.agents["linux"].stage, b"x" * (64 * 1024 * 1024), tmp_path)
    assert b"in loads" in done.stderr


@given(pieces=st.lists(RECORDS.map(encode) | NOISE.map(lambda noise: noise.replace(b"run_ended", b"")), max_size=6))
@settings(max_examples=25, deadline=None)
def test_of_a_journal_whole_lines_are_told_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("follow") / "journal"
    path.write_bytes(b"")
    waiting = list(pieces)

    def is_closed() -> bool:
        if not waiting:
            return True
        with path.open("ab") as file:
            file.write(waiting.pop(0))
        return False

    told = io.BytesIO()
    inbox: Any = SimpleNamespace(is_closed=is_closed)
    host: Any = SimpleNamespace(root=str(path.parent))
    with path.open("rb", buffering=0) as file:
        tell(file, host, {"id": "r", "from": 0}, Outbox(told), inbox, after=0)
    whole = path.read_bytes()
    assert whole.startswith(told.getvalue())
    assert told.getvalue().endswith(b"\n") or not told.getvalue()


# --- the controller ---------------------------------------------------------------------------------------------------


def says(pieces: Sequence[bytes], end: Event) -> Any:
    """A computer on which something else than our agent answers."""

    def computer(command: str) -> Any:
        yield Say(MARK)
        while (line := (yield Hear())) != MARK:
            if not line:
                return
        yield Hear(decode((yield Hear()))["stage"])
        yield Hear()
        for piece in pieces:
            yield Say(piece)
        yield end

    return computer


def contact(pieces: Sequence[bytes], end: Event, made: Runtime, sent: Path) -> tuple[list[Any], HostError | None]:
    """One contact with it: what the controller took for frames, and how it ended."""
    clock = Clock()
    options = Options(cache={"memory": {"pc": says(pieces, end)}, "clock": clock})
    desk: Any = SimpleNamespace(
        patience=Patience(monotonic=clock.monotonic, pause=clock.pause), put=lambda record: stored.append(record)
    )
    work: Any = SimpleNamespace(
        run="r", form="f", software="s", earlier=None, decision=None, host=SimpleNamespace(name="pc")
    )
    stored: list[Any] = []

    def blob(digest: str) -> Path:
        if digest != DIGEST:
            raise DepotError(Text("tidak ada", "not here"))
        return sent

    listener = Listener(desk, work)
    with boot(Connection("memory", "pc"), options=options) as channel:
        try:
            for frame in converse(channel, {}, runtime=made, blob=blob, progress=lambda *_: None):
                if "seq" in frame:
                    listener.take(frame)
        except HostError as error:
            return stored, error
    return stored, None


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("depot") / "isi"
    path.write_bytes(CONTENT)
    return path


@given(pieces=lines(ANSWERS | RECORDS), end=st.sampled_from([End(0), End(1), End(137), Drop()]))
@settings(max_examples=150, deadline=None)
def test_whatever_a_computer_says_it_is_frames_or_its_own_trouble(
    made: Runtime, sent: Path, pieces: list[bytes], end: Event
) -> None:
    stored, error = contact(pieces, end, made, sent)
    assert [record["seq"] for record in stored] == list(range(1, len(stored) + 1))
    for record in stored:
        encode(record).decode("utf-8")
    if error is not None:
        for language in ("id", "en"):
            error.say(language).encode("utf-8")  # type: ignore[arg-type]


@given(noise=st.lists(st.binary(max_size=300), max_size=6), times=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_noise_of_any_length_is_refused_before_it_fills_the_memory(
    made: Runtime, sent: Path, noise: list[bytes], times: int
) -> None:
    stored, error = contact([*noise, b"x" * (LINE_LIMIT_BYTES // 20) * times], End(0), made, sent)
    assert stored == []
    assert error is not None


@given(pieces=lines(RECORDS | ANSWERS))
@settings(max_examples=8, deadline=None)
def test_one_that_says_anything_disturbs_no_other_and_its_form_can_be_written(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    office = Office(tmp_path_factory.mktemp("office"))

    def odd(job: dict[str, Any]) -> Any:
        for piece in pieces:
            yield Say(piece)
        yield End(0)

    office.computers = {"aneh": Computer(odd), "baik": Computer(tells(journal()))}
    result = office.run()
    assert outcomes(result)["baik"] == "installed"
    assert result.observer_failure is None
    with office.store() as store:
        for form in store.forms():
            assert to_json(project(store.events(form=form.number)))
