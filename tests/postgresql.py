"""A PostgreSQL of our own on a unix socket, for the tests of the record: it can be stopped, frozen, started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Server", "postgresql"]


def _binary(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else shutil.which(name)


class Server:
    """A cluster in a folder of its own, and its server while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
        if self.user:
            shutil.chown(folder, self.user)
        initdb = _binary("initdb")
        assert initdb is not None
        subprocess.run(
            [initdb, "-D", folder / "data", "-U", "pasang", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            user=self.user,
            cwd=folder,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._drain: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Until it takes connections."""
        server = _binary("postgres")
        assert server is not None
        self._process = subprocess.Popen(
            [server, "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            user=self.user,
            cwd=self.folder,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"ready to accept connections" in line:
                break
        self._drain = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._drain.start()

    def stop(self) -> None:
        """As an administrator does: connections are ended."""
        if self._process is None or self._drain is None:
            return
        self.thaw()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=20)
        self._drain.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def freeze(self) -> None:
        """Let it stand still, connections open: nothing answers and nothing is refused."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://pasang@/{name}?host={self.folder}"

    def create(self) -> str:
        """A new database; its address."""
        import psycopg

        name = "t" + uuid.uuid4().hex
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server that runs when a test begins. In CI it may not be missing."""
    if not (_binary("initdb") and _binary("postgres")) or not hasattr(socket, "AF_UNIX"):
        assert not os.environ.get("CI"), "PostgreSQL's server is not installed (Debian: postgresql)"
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pasang-pg-"))
    try:
        server = Server(folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)
