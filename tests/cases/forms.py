"""The records of the cases under ``form/``: what agents and controllers wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "form"
NAMES = sorted(path.stem for path in CASES.glob("*.ndjson"))


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]
