"""Files, folders, ``group_vars/`` and ``host_vars/`` → ``Inventory``.

Source: Ansible's inventory plugin "yaml" and vars plugin "host_group_vars" (what is read, in which order, what wins).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.errors import InventoryError, Problem
from controller.inventory.model import Group, Inventory
from controller.inventory.secrets import Sealer, seal
from controller.inventory.tree import Tree
from controller.source import Document, expanded, read
from controller.text import Text

LIMIT_BYTES = 16_000_000
_YAML = (".yml", ".yaml", ".json")
_IGNORED = re.compile(
    r"^\.|^(?:host_vars|group_vars|vars_plugins)$|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_INI = re.compile(r"^\s*\[[^\]\s,\"']+\]\s*(?:[#;].*)?$", re.MULTILINE)


def load(paths: str | Path | Sequence[str | Path], *, environment: Mapping[str, str] = os.environ) -> Inventory:
    """The inventory of one or more files or folders; what comes later wins.

    Args:
        paths: not empty.
        environment: where ``{env: NAME}`` of secrets is looked up.

    Raises:
        InventoryError: with every mistake found in any of the files.
    """
    sources = [expanded(p) for p in ([paths] if isinstance(paths, (str, Path)) else paths)]
    problems: list[Problem] = []
    tree = Tree(problems)
    for source in sources:
        for file in _files(source, problems):
            _take(tree, file, problems)
    groups = tree.finish()
    bases = list(dict.fromkeys(s if s.is_dir() else s.parent for s in sources))
    group_files = _vars_of(bases, "group_vars", set(groups), problems)
    host_files = _vars_of(bases, "host_vars", set(tree.hosts), problems)
    if not problems and not tree.hosts:
        problems.append(
            Problem(
                ", ".join(str(s) for s in sources),
                Text("tidak ada satu komputer pun di inventaris", "there is no host in the inventory"),
                Text("tulis misalnya all: {hosts: {pc01: }}", "write for example all: {hosts: {pc01: }}"),
            )
        )
    if problems:
        raise InventoryError.of(problems)
    return Inventory(
        groups=groups,
        host_groups=_host_groups(groups, tree.hosts),
        host_variables={n: _sealed(v) for n, v in tree.hosts.items() if v},
        group_files=group_files,
        host_files=host_files,
        places=tree.places,
        warnings=tuple(tree.warnings),
        sealer=Sealer(bases[0], environment),
    )


def _sealed(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {k: seal(k, v) for k, v in variables.items()}


def _files(source: Path, problems: list[Problem]) -> list[Path]:
    """The inventory files of a source: itself, or those of a folder by name, folders within included."""
    if not source.is_dir():
        return [source]
    found: list[Path] = []
    try:
        for entry in sorted(source.iterdir()):
            if not _IGNORED.search(entry.name):
                found += _files(entry, problems) if not entry.is_symlink() or entry.is_file() else []
    except OSError as error:
        problems.append(_unreadable(source, error))
    return found


def _take(tree: Tree, file: Path, problems: list[Problem]) -> None:
    """One inventory file into the tree; what is wrong with it goes to ``problems``."""
    try:
        document = read(file, limit_bytes=LIMIT_BYTES, error=InventoryError)
    except InventoryError as error:
        foreign = _foreign(file, _peek(file))
        problems += [foreign] if foreign else error.problems
        return
    if document.root is None:
        return
    if not isinstance(document.root, dict):
        what = Text("inventaris harus berupa pemetaan kelompok", "an inventory must be a mapping of groups")
        hint = Text("mulai dengan 'all:', lalu 'hosts:' di bawahnya", "begin with 'all:', then 'hosts:' below it")
        problems.append(_foreign(file, document.text) or Problem(f"{file}:1", what, hint))
        return
    if foreign := _foreign_keys(document):
        problems.append(foreign)
        return
    tree.take(document)


def _peek(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(65536).decode("utf-8", "replace")
    except OSError:
        return ""


def _foreign(file: Path, text: str) -> Problem | None:
    """An inventory of another kind, with the way to turn it into YAML."""
    hint = Text(
        f"ubah sekali dengan: ansible-inventory -i {file.name} --list --yaml > inventory.yaml",
        f"turn it into YAML once: ansible-inventory -i {file.name} --list --yaml > inventory.yaml",
    )
    if text.startswith("#!"):
        return Problem(str(file), Text("ini sebuah skrip inventaris", "this is an inventory script"), hint)
    if text.startswith("$ANSIBLE_VAULT"):
        return Problem(
            f"{file}:1", Text("berkas ini dikunci ansible-vault", "this file is locked by ansible-vault"), _VAULT
        )
    if file.suffix not in _YAML and (file.suffix == ".ini" or _INI.search(text)):
        return Problem(str(file), Text("ini inventaris berformat INI", "this is an inventory in INI format"), hint)
    if _INI.match(text.lstrip("\ufeff")):
        return Problem(f"{file}:1", Text("ini inventaris berformat INI", "this is an inventory in INI format"), hint)
    return None


_VAULT = Text(
    "buka dengan 'ansible-vault decrypt', simpan rahasianya dalam berkas lalu tulis {file: jalur}, atau {env: NAMA}",
    "open it with 'ansible-vault decrypt', keep the secrets in files and write {file: path}, or {env: NAME}",
)


def _foreign_keys(document: Document) -> Problem | None:
    if isinstance(document.root.get("plugin"), str):
        what = Text("ini pengaturan plugin inventaris Ansible", "this configures an inventory plugin of Ansible")
        key = "plugin"
    elif "_meta" in document.root:
        what = Text(
            "ini keluaran 'ansible-inventory --list' tanpa --yaml",
            "this is what 'ansible-inventory --list' prints without --yaml",
        )
        key = "_meta"
    else:
        return None
    name = document.path.name
    command = f"ansible-inventory -i {name} --list --yaml > inventory.yaml"
    return Problem(document.where(key), what, Text(f"jalankan: {command}", f"run: {command}"))


def _vars_of(bases: Sequence[Path], folder: str, names: set[str], problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Variables of ``group_vars/`` or ``host_vars/`` beside the sources, by name."""
    found: dict[str, dict[str, Any]] = {}
    for base in bases:
        try:
            entries = sorted(e.name for e in os.scandir(base / folder))
        except OSError:
            continue  # there is none, which is usual
        for name in names.intersection(e.removesuffix(s) for e in entries for s in ("", *_YAML)):
            for suffix in ("", *_YAML):  # the first that exists, alone: so Ansible does it
                if name + suffix in entries:
                    for file in _vars_files(base / folder / (name + suffix), problems):
                        found.setdefault(name, {}).update(_vars_file(file, problems))
                    break
    return found


def _vars_files(path: Path, problems: list[Problem]) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        entries = [e for e in sorted(path.iterdir()) if not e.name.startswith(".") and not e.name.endswith("~")]
        return [f for e in entries if e.is_dir() or e.suffix in ("", *_YAML) for f in _vars_files(e, problems)]
    except OSError as error:
        problems.append(_unreadable(path, error))
        return []


def _unreadable(folder: Path, error: OSError) -> Problem:
    reason = error.strerror or type(error).__name__
    return Problem(
        str(folder),
        Text(f"folder tidak dapat dibaca: {reason}", f"the folder cannot be read: {reason}"),
        Text("periksa hak bacanya", "check its permissions"),
    )


def _vars_file(file: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        document = read(file, limit_bytes=LIMIT_BYTES, error=InventoryError)
    except InventoryError as error:
        problems += error.problems
        return {}
    if isinstance(document.root, dict):
        return _sealed(document.root)
    if document.root is not None:
        what = Text("berkas variabel harus berupa pemetaan", "a file of variables must be a mapping")
        hint = Text("tulis 'nama: nilai' sebaris satu", "write 'name: value', one a line")
        problems.append(_foreign(file, document.text) or Problem(f"{file}:1", what, hint))
    return {}


def _host_groups(groups: Mapping[str, Group], hosts: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """See ``Inventory.host_groups``."""
    above: dict[str, set[str]] = {}
    for name in sorted(groups, key=lambda g: groups[g].depth):
        above[name] = {name}.union(*(above[p] for p in groups[name].parents if p in above))
    direct: dict[str, set[str]] = {host: {"all"} for host in hosts}
    for name, group in groups.items():
        for host in group.hosts:
            direct[host] |= above[name]
    order = {n: (g.depth, g.priority, n) for n, g in groups.items()}
    shared: dict[frozenset[str], tuple[str, ...]] = {}
    result = {}
    for host, names in direct.items():
        key = frozenset(names)
        if key not in shared:
            shared[key] = tuple(sorted(key, key=order.__getitem__))
        result[host] = shared[key]
    return result
