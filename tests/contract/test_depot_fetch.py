"""Installers by URL, from a real server on loopback: once, whole, resumed, and nothing but what the digest says."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from controller.depot import Depot, take_in
from controller.depot.fetch import fetch
from controller.errors import DepotError
from controller.playbook import load

CONTENT = bytes(range(256)) * 8000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; ``/cut`` drops the line after a third of what was asked, ``/slow`` knows no ranges."""

    asked: ClassVar[list[tuple[str, str | None, str | None]]] = []
    cuts: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/busy") and len(self.asked) < 3:
            self.send_error(503)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and not self.path.startswith("/plain"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        body = CONTENT[start:] if not self.path.startswith("/other") else b"another file"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path.startswith(("/cut", "/plain-cut")) and self.cuts:
            body = body[: self.cuts.pop()]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.depot.fetch.PAUSES_S", (0.0, 0.0, 0.0, 0.0))


@pytest.fixture
def server() -> Iterator[str]:
    """Its address; what it was asked stands in ``Handler.asked``."""
    Handler.asked.clear()
    Handler.cuts.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """An empty depot."""
    return Depot(tmp_path / "depot")


def leftovers(depot: Depot) -> list[str]:
    """Names of unfinished parts."""
    return sorted(p.name for p in (depot.path / "parts").iterdir())


def test_a_file_is_fetched_once(server: str, depot: Depot, tmp_path: Path) -> None:
    (tmp_path / "playbook.yaml").write_text(
        f"""pasang: 1
software: {{name: kilat, version: "2.0", publisher: Contoh, licence: MIT}}
payloads: {{kilat: {{url: "{server}/kilat.bin", sha256: "{DIGEST}"}}}}
variants:
  - when: {{os: linux}}
    install: [{{file: {{path: /opt/kilat, payload: kilat}}}}]
    test: [{{file: {{path: /opt/kilat}}}}]
"""
    )
    playbook = load(str(tmp_path))
    for _ in range(2):
        assert take_in(playbook, depot).inspected["kilat"]["file"] == "kilat.bin"
    assert Handler.asked == [("/kilat.bin", None, None)]
    assert depot.get(DIGEST).path.read_bytes() == CONTENT
    assert leftovers(depot) == []


def test_a_dropped_line_is_gone_on_with_where_it_dropped(server: str, depot: Depot) -> None:
    Handler.cuts[:] = [300_000, 700_000]
    assert fetch(f"{server}/cut/kilat", DIGEST, depot).size_bytes == len(CONTENT)
    assert [r for _, r, _ in Handler.asked] == [None, "bytes=700000-", "bytes=1000000-"]


def test_what_was_fetched_is_kept_for_the_next_start(server: str, depot: Depot) -> None:
    Handler.cuts[:] = [0] * 10 + [500_000]
    with pytest.raises(DepotError, match="cannot be downloaded"):
        fetch(f"{server}/cut/kilat", DIGEST, depot)
    assert leftovers(depot) == [f"{DIGEST}.download"]
    Handler.cuts.clear()
    Handler.asked.clear()
    fetch(f"{server}/cut/kilat", DIGEST, depot)
    assert [r for _, r, _ in Handler.asked] == ["bytes=500000-"]
    assert leftovers(depot) == []


def test_a_server_without_ranges_begins_again(server: str, depot: Depot) -> None:
    Handler.cuts[:] = [400_000]
    assert fetch(f"{server}/plain-cut", DIGEST, depot).digest == DIGEST


def test_a_part_of_another_file_is_thrown_away(server: str, depot: Depot) -> None:
    (depot.path / "parts").mkdir(parents=True)
    part = depot.path / "parts" / f"{DIGEST}.download"
    part.write_bytes(b"x" * (len(CONTENT) + 5))
    assert fetch(f"{server}/kilat", DIGEST, depot).digest == DIGEST
    part.write_bytes(b"x" * 100)
    with pytest.raises(DepotError, match="wrong SHA-256"):
        fetch(f"{server}/kilat", DIGEST, Depot(depot.path))
    assert leftovers(depot) == []
    assert fetch(f"{server}/kilat", DIGEST, depot).digest == DIGEST


def test_a_busy_server_is_asked_again(server: str, depot: Depot) -> None:
    assert fetch(f"{server}/busy", DIGEST, depot).digest == DIGEST
    assert len(Handler.asked) == 3


@pytest.mark.parametrize(("path", "what"), [("/missing/a?token=rahasia", "HTTP 404"), ("/other/a", "wrong SHA-256")])
def test_what_cannot_be_had_is_said_without_secrets(server: str, depot: Depot, path: str, what: str) -> None:
    url = server.replace("http://", "http://teknisi:s3cret@") + path
    with pytest.raises(DepotError) as caught:
        fetch(url, DIGEST, depot)
    (problem,) = caught.value.problems
    assert what in problem.what.en
    assert problem.where == server + path.split("?")[0]
    assert problem.hint is not None
    assert not {"s3cret", "rahasia"} & set(caught.value.say("en").replace("/", " ").replace("=", " ").split())
    assert Handler.asked[0][2] == "Basic " + base64.b64encode(b"teknisi:s3cret").decode()
    assert depot.items() == []


def test_nobody_there_is_an_error_of_the_depot(depot: Depot) -> None:
    with pytest.raises(DepotError, match="cannot be downloaded"):
        fetch("http://127.0.0.1:9/kilat", DIGEST, depot)


def test_a_file_is_no_address(tmp_path: Path, depot: Depot) -> None:
    (tmp_path / "kilat.bin").write_bytes(CONTENT)
    with pytest.raises(DepotError, match="not an https or http address"):
        fetch((tmp_path / "kilat.bin").as_uri(), DIGEST, depot)
