"""HTTP/1.1 as bytes, without a socket: addresses, framing, limits, and what is made of an answer."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes import asked, http, http1
from agent.probes.http1 import HttpFailed, Reader, Response, parse
from agent.protocol import text
from tests.unit.probing import Programs

FAR = float("inf")


class Stream:
    """Hands out what it was given, in pieces; then it is at its end."""

    def __init__(self, *pieces):
        self.pieces = [piece for piece in pieces if piece]
        self.received = 0

    def settimeout(self, seconds):
        assert seconds > 0

    def recv(self, size):
        if not self.pieces:
            return b""
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        self.received += len(piece)
        return piece


class Endless(Stream):
    """One piece, then another again and again."""

    def __init__(self, first, again):
        super().__init__(first)
        self.again = again

    def recv(self, size):
        if self.pieces:
            return super().recv(size)
        self.received += len(self.again)
        return self.again


@pytest.fixture(autouse=True)
def still(monkeypatch):
    monkeypatch.setattr(http1.time, "monotonic", lambda: 0.0)


def read(*pieces, method="GET"):
    return Reader(Stream(*pieces), FAR).response(method)


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "target", "authority"),
    [
        ("http://127.0.0.1/", False, "127.0.0.1", 80, "/", "127.0.0.1"),
        ("http://127.0.0.1", False, "127.0.0.1", 80, "/", "127.0.0.1"),
        (
            "HTTP://pc1.example.invalid:8080/a?b=c#d",
            False,
            "pc1.example.invalid",
            8080,
            "/a?b=c",
            "pc1.example.invalid:8080",
        ),
        ("https://[::1]/", True, "::1", 443, "/", "[::1]"),
        ("https://[::1]:8443?x", True, "::1", 8443, "/?x", "[::1]:8443"),
        ("http://h/a b/é", False, "h", 80, "/a%20b/%C3%A9", "h"),
        ("http://h/%20", False, "h", 80, "/%20", "h"),
        ("http://h/x\r\nHost: other", False, "h", 80, "/x%0D%0AHost:%20other", "h"),
        ("http://h/a@b", False, "h", 80, "/a@b", "h"),
        ("http://bücher.invalid/", False, "xn--bcher-kva.invalid", 80, "/", "xn--bcher-kva.invalid"),
    ],
)
def test_addresses(url, secure, host, port, target, authority):
    address = parse(url)
    assert (address.secure, address.host, address.port, address.target) == (secure, host, port, target)
    assert address.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://h/",
        "127.0.0.1",
        "http://",
        "http:///x",
        "http://u:p@h/",
        "http://h:x/",
        "http://h:0/",
        "http://h:70000/",
        "http://h:²/",
        "http://a b/",
        "http://a\0b/",
        "http://" + "é" * 80 + ".invalid/",
        "http://[::1",
    ],
)
def test_what_is_not_an_address(url):
    if url == "http://[::1":
        assert parse(url).host == "::1"  # harmless: it can mean nothing else
        return
    with pytest.raises(HttpFailed) as caught:
        parse(url)
    assert caught.value.final


def test_a_length():
    response = read(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello, and more")
    assert (response.status, response.body, response.truncated) == (200, b"hello", False)
    assert response.headers["content-type"] == "text/plain"


def test_until_the_end():
    assert read(b"HTTP/1.0 200 OK\r\n\r\nall ", b"of it").body == b"all of it"


def test_chunks_with_extensions_and_trailers():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
    assert read(head + b"5;name=value\r\nhello\r\n7 \r\n, world\r\n0\r\nX-Sum: 1\r\n\r\n").body == b"hello, world"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("head", 404)])
def test_answers_without_a_body(method, status):
    response = read(f"HTTP/1.1 {status} X\r\nContent-Length: 500\r\n\r\n".encode(), method=method)
    assert (response.status, response.body) == (status, b"")


def test_what_only_says_to_wait():
    assert (
        read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny").body == b"y"
    )


def test_repeated_headers_and_bare_line_ends():
    response = read(b"HTTP/1.1 200 OK\nVia: a\nVIA:  b \nContent-Length: 0\n\n")
    assert response.headers["via"] == "a, b"


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "breaks off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "5 of 9"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "breaks off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "closed"),
    ],
)
def test_what_is_broken(bytes_, said):
    with pytest.raises(HttpFailed, match=said):
        read(bytes_)


@pytest.mark.parametrize(
    "stream",
    [
        Endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 997 + b"\r\n"),
        Endless(b"HTTP/1.1 200 OK\r\n", b"y" * 1000),
        Endless(b"", b"\r\n" * 500),
        Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5" * 1000),
        Endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
)
def test_a_head_without_end(stream):
    with pytest.raises(HttpFailed):
        Reader(stream, FAR).response("GET")
    assert stream.received < 4 * http1.HEAD_LIMIT_BYTES


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", b"x" * 5000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"x" * 5000),
    ],
)
def test_a_body_without_end(head, again):
    stream = Endless(head, again)
    response = Reader(stream, FAR).response("GET")
    assert response.truncated
    assert len(response.body) == http1.BODY_LIMIT_BYTES
    assert stream.received < http1.BODY_LIMIT_BYTES + 100_000


@given(st.lists(st.integers(1, 40), max_size=30))
def test_however_it_is_cut(cuts):
    whole = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
        b"5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n"
    )
    pieces, rest = [], whole
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    response = read(*pieces, rest)
    assert (response.status, response.headers["x"], response.body) == (200, "y", b"hello, world")


@given(st.binary(max_size=300))
def test_noise(noise):
    status = 200
    with contextlib.suppress(HttpFailed):
        status = read(noise).status
    assert 200 <= status <= 999


def test_the_time_is_for_everything_together(monkeypatch):
    class Slow(Stream):
        def recv(self, size):
            Slow.now += 1.0
            return b"x"

    Slow.now = 0.0
    monkeypatch.setattr(http1.time, "monotonic", lambda: Slow.now)
    with pytest.raises(TimeoutError if issubclass(http1.socket.timeout, TimeoutError) else http1.socket.timeout):
        Reader(Slow(), 10.0).response("GET")
    assert Slow.now == 10.0


# -- what is made of an answer ----------------------------------------------------------------------------------------

HEALTH = {"status": "ok", "up": True, "count": 3, "checks": [{"name": "db", "ms": 1.5}, {"name": "disk"}], "a.b": None}


def answer(spec, status=200, body=b"", headers=None, truncated=False, failure=None):
    def request(url, **words):
        if failure:
            raise failure
        return Response(status, headers or {}, body, truncated=truncated)

    http.request, original = request, http.request
    try:
        return asked(
            http, {"kind": "http", "url": "http://127.0.0.1/", **spec}, Programs(), {"at": time.time(), "logs": {}}
        )
    finally:
        http.request = original


@pytest.mark.parametrize(
    ("spec", "given_", "verdict"),
    [
        ({}, {}, "passed"),
        ({}, {"status": 204}, "passed"),
        ({}, {"status": 301}, "failed"),
        ({"status": 301}, {"status": 301}, "passed"),
        ({"status": [401, 403]}, {"status": 403}, "passed"),
        ({"status": 200}, {"status": 500}, "failed"),
        ({"contains": "nginx"}, {"body": b"<h1>Welcome to nginx!</h1>"}, "passed"),
        ({"contains": "Nginx"}, {"body": b"nginx"}, "failed"),
        ({"contains": "é"}, {"body": b"\xe9", "headers": {"content-type": "text/html; charset=ISO-8859-1"}}, "passed"),
        ({"contains": "x"}, {"body": b"x\xff", "headers": {"content-type": "text/html; charset=no-such"}}, "passed"),
        ({"matches": r"^v\d+$"}, {"body": b"a\nv12\n"}, "passed"),
        ({"matches": r"^v\d+$"}, {"body": b"a v12\n"}, "failed"),
        ({"matches": "("}, {"body": b""}, "unknown"),
        ({"headers": {"Server": "^nginx"}}, {"headers": {"server": "nginx/1.22.1"}}, "passed"),
        ({"headers": {"Server": "^apache"}}, {"headers": {"server": "nginx/1.22.1"}}, "failed"),
        ({"headers": {"X-Missing": ""}}, {}, "failed"),
    ],
)
def test_probe(spec, given_, verdict):
    found = answer(spec, **given_)
    assert found.verdict == verdict
    assert (found.reason is None) == (verdict == "passed")


@pytest.mark.parametrize(
    ("path", "value", "verdict"),
    [
        ("status", "ok", "passed"),
        ("$.status", "ok", "passed"),
        ("up", True, "passed"),
        ("up", 1, "failed"),
        ("count", 3, "passed"),
        ("count", 3.0, "passed"),
        ("count", "3", "failed"),
        ("checks[0].ms", 1.5, "passed"),
        ("checks.1.name", "disk", "passed"),
        ("checks[-1].name", "disk", "passed"),
        ("checks[2].name", "x", "failed"),
        ("checks", [{"name": "db", "ms": 1.5}, {"name": "disk"}], "passed"),
        ("status.deeper", "ok", "failed"),
        ("checks.--1", 1, "failed"),
        ("checks[²]", 1, "failed"),
        ("missing", None, "failed"),
    ],
)
def test_json(path, value, verdict):
    assert answer({"json": {path: value}}, body=json.dumps(HEALTH).encode()).verdict == verdict


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000])
def test_what_is_not_json(body):
    assert answer({"json": {"a": 1}}, body=body).verdict == "failed"


def test_it_says_what_it_found():
    spec = {"status": 200, "contains": "x"}
    found = answer(spec, status=302, body=b"gone\nthere", headers={"location": "/login"})
    assert (http.needed(spec), found.found) == (
        "200, “x”",
        text("302, 10 byte, “gone”", "302, 10 bytes, “gone”"),
    )
    assert "/login" in found.reason["en"]
    found = answer({}, failure=HttpFailed("salah", "wrong", final=True))
    assert (found.verdict, found.reason, found.final) == ("failed", {"id": "salah", "en": "wrong"}, True)
