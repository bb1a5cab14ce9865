"""Variables that hold secrets: known by their names, sealed as soon as they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from controller.errors import Problem
from controller.settings import Secret
from controller.source import expanded
from controller.text import Text

_WORDS = ("password", "passwd", "secret", "token", "api_key", "apikey", "private_key")
_NAMES = ("ansible_ssh_pass", "ansible_become_pass", "ansible_sudo_pass", "ansible_winrm_pass")
LIMIT_BYTES = 64 * 1024


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret; a name that ends in ``_file`` or ``_path`` says where one is."""
    low = name.lower()
    if low.endswith(("_file", "_path", "_dir")):
        return False
    return low in _NAMES or any(word in low for word in _WORDS)


def seal(name: str, value: Any) -> Any:
    """``value`` of the variable ``name`` with every secret in it as ``Secret``.

    Left as they are: ``{file: …}`` and ``{env: …}`` (``Sealer.seal`` reads them), and templates, which hold none.
    """
    if isinstance(value, (dict, list)):
        if isinstance(value, list):
            return [seal(name if is_secret(name) else "", v) for v in value]
        if is_secret(name) and _source(value):
            return value
        return {k: seal(name if is_secret(name) else k, v) for k, v in value.items()}
    if not is_secret(name) or value is None or isinstance(value, (bool, Secret)):
        return value
    return value if isinstance(value, str) and "{{" in value else Secret(str(value))


def _source(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in ("file", "env")


class Sealer:
    """Reads the secrets that an inventory keeps elsewhere; each file and environment variable once.

    Args:
        base: folder from which ``{file: …}`` is meant.
        environment: where ``{env: …}`` is looked up.
    """

    def __init__(self, base: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._base = base
        self._environment = environment
        self._read: dict[tuple[str, str], Secret | Problem] = {}

    def seal(self, name: str, value: Any, problems: list[Problem], *, reveal: bool) -> Any:
        """``value`` (sealed by ``seal``) with ``{file: …}`` and ``{env: …}`` of secrets replaced by what stands there.

        Args:
            reveal: False puts empty secrets there instead.
        """
        if not isinstance(value, (dict, list)):
            return value
        if isinstance(value, list):
            return [self.seal(name, v, problems, reveal=reveal) for v in value]
        if not (is_secret(name) and _source(value)):
            below = name if is_secret(name) else ""
            return {k: self.seal(below or k, v, problems, reveal=reveal) for k, v in value.items()}
        if not reveal:
            return Secret("")
        ((source, place),) = value.items()
        key = (source, str(place))
        if key not in self._read:
            self._read[key] = self._from_environment(key[1]) if source == "env" else self._from_file(key[1])
        found = self._read[key]
        if isinstance(found, Secret):
            return found
        problems.append(Problem("", Text(f"{name}: {found.what.id}", f"{name}: {found.what.en}"), found.hint))
        return None

    def _from_environment(self, name: str) -> Secret | Problem:
        value = self._environment.get(name)
        if value:
            return Secret(value)
        return Problem(
            "",
            Text(f"variabel lingkungan {name} kosong", f"the environment variable {name} is not set"),
            Text(f"isi {name} sebelum menjalankan pasang", f"set {name} before running pasang"),
        )

    def _from_file(self, place: str) -> Secret | Problem:
        path = self._base / expanded(place)
        try:
            with path.open("rb") as file:
                raw = file.read(LIMIT_BYTES + 1)
            text = raw.decode("utf-8").rstrip("\r\n") if len(raw) <= LIMIT_BYTES else ""
        except (OSError, ValueError):
            text = ""
        if text:
            return Secret(text)
        return Problem(
            "",
            Text(
                f"berkas rahasia {path} tidak dapat dibaca atau kosong",
                f"the secret file {path} cannot be read or is empty",
            ),
            Text(
                "periksa jalur dan hak bacanya; isinya satu rahasia",
                "check its path and permissions; it holds one secret",
            ),
        )
