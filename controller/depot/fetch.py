"""Installers by URL: fetched once, at intake, going on where a broken download stopped."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from controller.depot.store import CHUNK_BYTES, Depot, Item
from controller.errors import DepotError
from controller.text import Text

TIMEOUT_S = 30.0
PAUSES_S = (0.1, 0.5, 2.0, 5.0)
TRIES = len(PAUSES_S)
SIZE_LIMIT_BYTES = 64 * 1024**3


def fetch(url: str, digest: str, depot: Depot) -> Item:
    """The file behind ``url`` into the depot; only its digest makes it what was meant.

    A part that an earlier, broken download left is gone on with. Two that fetch the same at once do not share one.

    Args:
        url: https or http; user and password in it are sent and never shown.
        digest: what its content must be.
        depot: where it goes.

    Raises:
        DepotError: it cannot be had, is something else, is no address of the web, or the disk is full.
    """
    shown = shown_url(url)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DepotError(
            Text("bukan alamat https atau http", "not an https or http address"),
            where=shown,
            hint=Text("pakai file: untuk berkas di samping playbook", "use file: for a file beside the playbook"),
        )
    folder = depot.path / "parts"
    shared = folder / f"{digest}.download"
    mine = folder / f"{digest}.{os.getpid()}-{time.monotonic_ns()}.download"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shared.exists():
            _claim(shared, mine)
        _download(url, shown, mine)
        with mine.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            mine.unlink()
            raise DepotError(
                Text(
                    f"SHA-256 tidak cocok: diharapkan {digest}, ditemukan {found}",
                    f"wrong SHA-256: expected {digest}, found {found}",
                ),
                where=shown,
                hint=Text(
                    "alamat ini memberi berkas lain; cocokkan sha256 dengan penerbitnya",
                    "this address gives another file; compare sha256 with the publisher's",
                ),
            )
        item = depot.add(mine, digest, name=_name(url))
        mine.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DepotError(
            Text(f"unduhan tidak dapat disimpan: {reason}", f"the download cannot be kept: {reason}"),
            where=str(depot.path),
            hint=Text("periksa ruang disk dan hak tulisnya", "check disk space and permissions"),
        ) from error
    finally:
        if mine.exists():
            _claim(mine, shared)
    return item


def _claim(source: Path, target: Path) -> None:
    """Make a part ours, or leave ours for the next; whoever was faster keeps it."""
    try:
        source.replace(target)
    except FileNotFoundError:
        return


def shown_url(url: str) -> str:
    """A URL for people: without user, password and query, which may hold secrets."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urllib.parse.urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _name(url: str) -> str:
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path).replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._+~-]", "_", name)[:200].lstrip(".") or "payload"


def _download(url: str, shown: str, target: Path) -> None:
    """All of ``url`` into ``target``, appending to what is there where the server lets us.

    It is tried again as long as something comes; ``TRIES`` times in a row without a byte are the end.
    """
    failures = 0
    while True:
        have = _size(target)
        try:
            _once(url, target, have)
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"HTTP {error.code}"
            if error.code == 416 and have:  # the part is no part of this file
                target.unlink()
            elif error.code < 500:
                raise _refused(shown, reason) from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            return
        failures = 0 if _size(target) > have else failures + 1
        if failures == TRIES:
            raise _refused(shown, reason)
        time.sleep(PAUSES_S[failures])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _once(url: str, target: Path, have: int) -> None:
    parts = urllib.parse.urlsplit(url)
    headers = {"User-Agent": "pasang"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if parts.username is not None:
        import base64

        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        host = parts.netloc.rsplit("@", 1)[1]
        url = urllib.parse.urlunsplit(parts._replace(netloc=host))
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the playbook's check allows https and http
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        resumed = have > 0 and getattr(answer, "status", None) == 206
        with target.open("ab" if resumed else "wb") as file:
            expected = _length(answer)
            _pour(answer, file)
        if expected is not None and target.stat().st_size < expected + (have if resumed else 0):
            raise http.client.IncompleteRead(b"", expected)


def _length(answer: http.client.HTTPResponse) -> int | None:
    said = answer.headers.get("Content-Length")
    return int(said) if said and said.isdigit() else None


def _pour(source: http.client.HTTPResponse, target: IO[bytes]) -> None:
    total = 0
    while chunk := source.read1(CHUNK_BYTES) if hasattr(source, "read1") else source.read(CHUNK_BYTES):
        target.write(chunk)
        total += len(chunk)
        if total > SIZE_LIMIT_BYTES:
            raise OSError(27, os.strerror(27))
    target.flush()


def _refused(shown: str, reason: str) -> DepotError:
    return DepotError(
        Text(f"tidak dapat diunduh: {reason}", f"cannot be downloaded: {reason}"),
        where=shown,
        hint=Text(
            "periksa alamat dan jaringan, atau unduh sendiri lalu 'pasang depot add BERKAS'",
            "check address and network, or download it yourself, then 'pasang depot add FILE'",
        ),
    )
