"""What the agent has instead of the standard library's modules behaves as they do."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.light import contexts, tuples
from agent.light import json as light_json
from agent.light import signal as light_signal
from agent.light import socket as light_socket

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ROOT = Path(light_json.__file__).parents[2]
HEAVY = {"json", "re", "enum", "signal", "socket", "contextlib", "functools", "collections", "subprocess", "typing"}


@given(VALUES, st.booleans(), st.booleans())
def test_json_is_written_as_ever(value: Any, ensure_ascii: bool, sort_keys: bool) -> None:
    for separators in ((", ", ": "), (",", ":")):
        own = light_json.dumps(value, ensure_ascii=ensure_ascii, separators=separators, sort_keys=sort_keys)
        assert own == json.dumps(value, ensure_ascii=ensure_ascii, separators=separators, sort_keys=sort_keys)


@given(VALUES, st.sampled_from(["", " ", "\n\t \r"]))
def test_json_is_read_as_ever(value: Any, blank: str) -> None:
    content = blank + json.dumps(value) + blank
    assert json.dumps(light_json.loads(content)) == json.dumps(json.loads(content))
    assert json.dumps(light_json.loads(content.encode())) == json.dumps(json.loads(content))


@given(st.text(st.sampled_from('{}[]",:0123456789.eE+-truefalsn \\u\n'), max_size=30))
def test_what_is_no_json_is_an_error_as_ever(content: str) -> None:
    try:
        wanted = json.dumps(json.loads(content))
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            light_json.loads(content)
    else:
        assert json.dumps(light_json.loads(content)) == wanted


def test_what_json_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="set is not known"):
        light_json.dumps({"a": {1}})
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(ValueError, match="Circular"):
        light_json.dumps(itself)


def test_what_is_no_json_is_an_error_where_nothing_else_is_loaded() -> None:
    read = """\
import sys; sys.path.insert(0, sys.argv[1])
from agent.light import json
for content in ('{"a": ', '[1,', '"abc', '{"a" 1}', '', '1 2'):
    try: json.loads(content)
    except ValueError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", read, ROOT], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 6, done.stdout


def test_json_without_the_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_json, "fast", None)
    assert light_json.dumps({"b": 1, "a": "é"}, ensure_ascii=False, sort_keys=True) == '{"a": "é", "b": 1}'
    assert light_json.decoder(parse_float=str)("[1.5]") == ["1.5"]


@pytest.mark.parametrize("made", [contextlib.contextmanager, contexts.contextmanager])
def test_a_block(made: Callable[..., Any]) -> None:
    seen: list[str] = []

    @made
    def block(takes_in: type[BaseException] | tuple[()], instead: BaseException | None = None) -> Iterator[str]:
        try:
            yield "in"
        except takes_in:
            seen.append("taken")
            if instead is not None:
                raise instead from None
        finally:
            seen.append("after")

    with block(()) as value:
        assert value == "in"
    with block(KeyError):
        raise KeyError
    with pytest.raises(ValueError, match="own") as caught, block(KeyError):
        raise ValueError("own")
    assert caught.traceback[-1].name == "test_a_block"
    with pytest.raises(OSError, match="other"), block(KeyError, OSError("other")):
        raise KeyError
    with pytest.raises(StopIteration), block(()):
        raise StopIteration
    assert seen == ["after", "taken", "after", "after", "taken", "after", "after"]


def test_errors_that_do_not_matter() -> None:
    with contexts.suppress(KeyError, OSError):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="own"), contexts.suppress(KeyError):
        raise ValueError("own")
    with contexts.suppress():
        pass


def test_tuples_with_names() -> None:
    own = tuples.namedtuple("Own", "a b c", defaults=(3,))
    ever = collections.namedtuple("Own", "a b c", defaults=(3,))
    for made in (own, ever):
        one = made(1, b=2)
        assert (one.a, one.b, one.c) == tuple(one) == (1, 2, 3)
        assert repr(one) == "Own(a=1, b=2, c=3)"
        assert one == (1, 2, 3)
        assert made._fields == ("a", "b", "c")
        with pytest.raises(TypeError):
            made(1)
        with pytest.raises(AttributeError):
            one.d = 4


def test_signals_and_sockets_are_the_same_numbers() -> None:
    for name in ("SIGTERM", "SIGKILL", "SIGURG", "SIG_DFL", "SIG_IGN", "ITIMER_REAL"):
        assert getattr(light_signal, name) == getattr(signal, name)
    for name in ("AF_INET", "AF_INET6", "SOCK_STREAM", "IPPROTO_UDP", "AF_NETLINK"):
        assert getattr(light_socket, name) == getattr(socket, name)
    with light_socket.socket(light_socket.AF_INET, light_socket.SOCK_STREAM) as line:
        assert os.fstat(line.fileno())
    assert line.fileno() == -1


def test_a_contact_loads_nothing_heavy() -> None:
    """Everything that a usual run on Linux imports, in a Python of its own."""
    run = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import agent.__main__, agent.requirements, agent.rollback, agent.snapshot, agent.installed\n"
        "import agent.actions.deb, agent.actions.service, agent.actions.file, agent.host.linux, agent.host.sockets\n"
        "import agent.host.systemd, agent.probes.http, agent.probes.service, agent.probes.port, agent.probes.process\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", run, ROOT], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
