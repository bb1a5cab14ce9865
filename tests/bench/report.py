"""The table: medians, and how the tools stand to each other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from controller import runtime
from controller.transport import boot_command
from tests.bench.measure import TURNS, Row
from tests.bench.tools import TOOLS

_NAMES = {"raw": "raw SSH", "pyinfra": "pyinfra", "ansible": "Ansible", "pasang": "Pasang"}


def tables(rows: Sequence[Row]) -> str:
    """Everything that was measured, as Markdown."""
    parts = []
    for delay_ms in sorted({row.delay_ms for row in rows}):
        mine = [row for row in rows if row.delay_ms == delay_ms]
        line = f"a line of {delay_ms:g} ms each way" if delay_ms else "the LAN"
        parts += [f"### Seconds, over {line}", _walls(mine)]
        parts += [f"### Milliseconds of CPU a computer, on the controller, over {line}", _each(mine, lambda r: r.cpu_s)]
        parts += [
            f"### Milliseconds of CPU a computer, on the computers themselves, over {line}",
            _each(mine, lambda r: r.target_cpu_s),
        ]
        if any(row.contacts for row in mine):
            parts += [f"### Pasang, a computer, over {line}", _contacts(mine)]
    return "\n\n".join(parts)


def _walls(rows: Sequence[Row]) -> str:
    tools = _tools(rows)
    quotients = [(a, b) for a, b in (("pasang", "raw"), ("pyinfra", "pasang"), ("ansible", "pasang"))]
    quotients = [(a, b) for a, b in quotients if a in tools and b in tools]
    head = ["N", "run", *(_NAMES[t] for t in tools), *(f"{_NAMES[a]} / {_NAMES[b]}" for a, b in quotients)]
    body = []
    for hosts, turn, of in _groups(rows):
        wall_s = {tool: median(row.wall_s for row in of(tool)) for tool in tools if of(tool)}
        body.append(
            [str(hosts), turn, *(f"{wall_s[t]:.2f}" if t in wall_s else "" for t in tools)]
            + [f"{wall_s[a] / wall_s[b]:.2f}" if {a, b} <= wall_s.keys() else "" for a, b in quotients]
        )
    busy = median(row.busy for row in rows)
    return _table(head, body) + f"\n\nOther work on the machine meanwhile: {busy:.2f} cores (median)."


def _each(rows: Sequence[Row], value: Callable[[Row], float]) -> str:
    tools = _tools(rows)

    def cell(found: list[Row], hosts: int) -> str:
        return f"{1000 * median(map(value, found)) / hosts:.0f}" if found else ""

    body = [[str(hosts), turn, *(cell(of(tool), hosts) for tool in tools)] for hosts, turn, of in _groups(rows)]
    return _table(["N", "run", *(_NAMES[tool] for tool in tools)], body)


def _contacts(rows: Sequence[Row]) -> str:
    columns = (
        ("bytes sent", "sent_bytes", 1), ("bytes received", "received_bytes", 1), ("round trips", "round_trips", 1),
        ("agent's CPU, ms", "cpu_seconds", 1000),
    )  # fmt: skip
    body = [
        [str(hosts), turn, *(f"{median(row.contact(key) for row in of('pasang')) * by:.0f}" for _, key, by in columns)]
        for hosts, turn, of in _groups([row for row in rows if row.contacts])
    ]
    return _table(["N", "run", *(name for name, _, _ in columns)], body)


def sizes(folder: Path) -> str:
    """What is fixed: bytes of what starts an agent, and how long `pasang --help` takes."""
    made = runtime.prepare(folder)
    pasang = Path(sys.executable).with_name("pasang")
    took_s = []
    for _ in range(7):
        began = time.monotonic()
        subprocess.run([pasang, "--help"], check=True, stdout=subprocess.DEVNULL)
        took_s.append(time.monotonic() - began)
    body = [
        ["bootstrap command, bytes", str(len(boot_command()))],
        ["first stage, bytes", str(len(made.agents["linux"].stage))],
        ["agent, bytes, sent once", str(made.path(made.agents["linux"].archive).stat().st_size)],
        ["`pasang --help`, ms (best of 7)", f"{1000 * min(took_s):.0f}"],
    ]
    return _table(["", ""], body)


def _tools(rows: Sequence[Row]) -> list[str]:
    return [tool for tool in TOOLS if any(row.tool == tool for row in rows)]


def _groups(rows: Sequence[Row]) -> list[tuple[int, str, Callable[[str], list[Row]]]]:
    def of(hosts: int, turn: str) -> Callable[[str], list[Row]]:
        return lambda tool: [r for r in rows if (r.hosts, r.turn, r.tool) == (hosts, turn, tool)]

    return [(hosts, turn, of(hosts, turn)) for hosts in sorted({row.hosts for row in rows}) for turn in TURNS]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
