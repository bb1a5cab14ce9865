"""The agent's sources and a Python, carried onto a Windows computer from outside: for tests of the agent's parts."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python

_AGENT = Path(__file__).parents[3] / "agent"
_HEAD = "import json, sys\nsys.path.insert(0, 'C:\\\\pasang-src')\nwords = json.loads(sys.argv[1])\n"


def carry(host: WindowsHost) -> None:
    """Put a Python and the agent's sources onto its drive."""
    with zipfile.ZipFile(ensure_python()) as archive:
        archive.extractall(host.drive / "py")
    (host.drive / "ProgramData/Pasang").mkdir(parents=True)
    shutil.copytree(_AGENT, host.drive / "pasang-src/agent", ignore=shutil.ignore_patterns("__pycache__"))


def command(words: Any) -> list[str]:
    """The command line of a script that it reads from its standard input, with ``words`` for it."""
    return [r"C:\py\python.exe", "-X", "utf8", "-", json.dumps(words)]


def ask(host: WindowsHost, script: str, words: Any = None, *, timeout_s: float = 120) -> Any:
    """What a script says, as JSON on the last line, that runs on the computer with the agent within reach.

    Raises:
        RuntimeError: it failed; the message holds what it printed.
    """
    said = host.run(command(words), text=_HEAD + script, timeout_s=timeout_s)
    return json.loads(said.stdout.splitlines()[-1])


@contextmanager
def meanwhile(host: WindowsHost, script: str, words: Any = None) -> Iterator[None]:
    """A script that is at work for as long as the block is: it calls ``ready()`` when it is where it should be."""
    mark = host.drive / "ProgramData/Pasang/ready"
    thread = threading.Thread(target=ask, args=(host, _WAITS + script + "\nprint('null')\n", words))
    thread.start()
    try:
        wait_until(mark.exists, timeout_s=20, what="the script on the computer")
        yield
    finally:
        mark.unlink(missing_ok=True)
        thread.join(timeout=40)


_WAITS = r"""
import os, time
def ready():
    open(r"C:\ProgramData\Pasang\ready", "w").close()
    until = time.monotonic() + 60
    while os.path.exists(r"C:\ProgramData\Pasang\ready") and time.monotonic() < until:
        time.sleep(0.05)
"""
