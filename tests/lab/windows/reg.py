"""The registry of a Windows computer of the lab, written by its own reg.exe."""

from __future__ import annotations

import subprocess

from tests.lab.windows.computers import WindowsHost


def adding(key: str, name: str = "", data: str = "", *, kind: str = "REG_SZ") -> list[str]:
    return ["reg", "add", key, *(["/v", name] if name else ["/ve"]), "/t", kind, "/d", data, "/f"]


def deleting(key: str, name: str = "") -> list[str]:
    return ["reg", "delete", key, *(["/v", name] if name else []), "/f"]


def add(host: WindowsHost, key: str, name: str = "", data: str = "", *, kind: str = "REG_SZ") -> None:
    """Write a value of the registry, as its own reg.exe does."""
    host.run(adding(key, name, data, kind=kind))


def delete(host: WindowsHost, key: str, name: str = "") -> None:
    host.run(deleting(key, name))


def run_all(host: WindowsHost, *commands: list[str]) -> None:
    """Programs one after the other, in one command line; the first that fails ends it."""
    host.run("cmd.exe /d /c " + " && ".join(subprocess.list2cmdline(argv) for argv in commands))
