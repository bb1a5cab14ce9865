"""What a web address answers: status, body, a value in its JSON, headers."""

from __future__ import annotations

from agent.light import json
from agent.probes import Answer, judged
from agent.probes.http1 import HttpFailed, request
from agent.probes.patterns import search, short
from agent.protocol import text
from agent.words import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.probes.http1 import Response
    from agent.redact import Redactor
    from agent.words import Words

PATIENCE_S = 10.0
MISSING = object()


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    return text(f"Alamat {spec['url']} menjawab", f"Address {spec['url']} answers")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Ask the address once. Redirects are answers like others: they are not followed."""
    try:
        response = request(
            spec["url"],
            method=spec.get("method") or "GET",
            timeout_s=float(spec.get("timeout_s") or PATIENCE_S),
            ca_file=spec.get("ca_file"),
            insecure=bool(spec.get("insecure")),
        )
    except HttpFailed as failure:
        return Answer("failed", found="-", reason=failure.reason, final=failure.final)
    return judged(found_of(response, host.secrets), first_reason(spec, response, host.secrets))


def first_reason(spec: dict[str, Any], response: Response, secrets: Redactor) -> dict[str, str] | None:
    """The first thing about a response that is not as asked; None where all is."""
    if not status_holds(spec.get("status"), response.status):
        where = f" → {response.headers['location']}" if response.headers.get("location") else ""
        asked = spec.get("status") or "2xx"
        return text(
            f"statusnya {response.status}{where}, diminta {asked}",
            f"its status is {response.status}{where}, not {asked}",
        )
    if spec.get("contains") is not None and spec["contains"] not in response.content:
        shown = secrets.short(spec["contains"])
        return text(f"isinya tidak memuat {shown}", f"its body does not contain {shown}")
    if spec.get("matches") is not None and search(spec["matches"], response.content) is None:
        shown = secrets.short(spec["matches"])
        return text(f"isinya tidak cocok dengan {shown}", f"its body does not match {shown}")
    for name, pattern in (spec.get("headers") or {}).items():
        value = response.headers.get(name.lower())
        if value is None:
            return text(f"kepala {name} tidak ada", f"there is no header {name}")
        if search(str(pattern), value) is None:
            return text(f"kepala {name} adalah {secrets.short(value)}", f"header {name} is {secrets.short(value)}")
    return json_reason(spec["json"], response, secrets) if spec.get("json") else None


def json_reason(wanted: dict[str, Any], response: Response, secrets: Redactor) -> dict[str, str] | None:
    """Why a value in the body's JSON is not as asked; None where all are."""
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        if response.truncated:
            return text(
                "isinya terlalu besar untuk dibaca sebagai JSON", "its body is larger than what is read as JSON"
            )
        return text(f"isinya bukan JSON: {error}", f"its body is not JSON: {error}")
    for path, value in wanted.items():
        found = value_at(document, path)
        if found is MISSING:
            return text(f"JSON-nya tidak memuat {path}", f"its JSON has no {path}")
        if not is_same(found, value):
            shown = secrets.short(json.dumps(secrets.masked(found), ensure_ascii=False))
            return text(f"{path} adalah {shown}", f"{path} is {shown}")
    return None


def value_at(document: Any, path: str) -> Any:
    """The value at ``a.b[0].c`` (``$.`` before it is allowed, a number between dots too), or ``MISSING``."""
    path = path[1:] if path.startswith("$") else path
    for part in path.replace("[", ".").replace("]", "").split("."):
        if not part:
            continue
        if isinstance(document, list) and is_index(part):
            place = int(part)
            if not -len(document) <= place < len(document):
                return MISSING
            document = document[place]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return MISSING
    return document


def is_index(part: str) -> bool:
    """Whether a part of a path is a place in a list, counted from either end."""
    digits = part[1:] if part.startswith("-") else part
    return digits.isascii() and digits.isdigit() and len(digits) < 10


def is_same(found: Any, wanted: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def status_holds(wanted: Any, status: int) -> bool:
    """Whether a status is one of those asked for: any success (2xx) where none is named."""
    if wanted is None:
        return 200 <= status < 300
    return status in [int(one) for one in (wanted if isinstance(wanted, (list, tuple)) else [wanted])]


def needed(spec: dict[str, Any]) -> str:
    """What is asked, as a short line."""
    status = spec.get("status")
    parts: list[str] = [
        "2xx" if status is None else " | ".join(str(one) for one in (status if isinstance(status, list) else [status]))
    ]
    parts += [short(spec[word], 40) for word in ("contains", "matches") if spec.get(word) is not None]
    parts += [f"{path} = {json.dumps(value, ensure_ascii=False)}" for path, value in (spec.get("json") or {}).items()]
    parts += [f"{name}: {short(pattern, 40)}" for name, pattern in (spec.get("headers") or {}).items()]
    return ", ".join(parts)


def found_of(response: Response, secrets: Redactor) -> Words:
    """A response as a short line."""
    beginning = secrets.text(response.content)[:200].strip().split("\n", 1)[0]
    size = f"> {len(response.body)}" if response.truncated else str(len(response.body))
    return line(str(response.status), text(f"{size} byte", f"{size} bytes"), short(beginning, 60) if beginning else "")
