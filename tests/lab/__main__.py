"""The lab by hand: `python -m tests.lab up --hosts 5`, `… list`, `… down`, `… run -- COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.lab.bases import BASES, PASSWORD
from tests.lab.hosts import HostSpec
from tests.lab.lab import Lab, base_root, remove_dead_labs, running_labs
from tests.lab.windows.base import NAME as WINDOWS

_NAMES = (*BASES, WINDOWS)


def main(argv: list[str] | None = None) -> int:
    """Do what `argv` asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot computers, and leave them up")
    up.add_argument("--hosts", type=int, default=3, help="how many (default: 3)")
    up.add_argument("--base", default="bookworm", help=f"one or more of {','.join(_NAMES)}, taken in turn")
    up.add_argument("--disk-mb", type=int, help="a disk of its own of this size for each")
    down = commands.add_parser("down", help="end a lab")
    down.add_argument("name", nargs="?", help="needed where several are up")
    down.add_argument("--all", action="store_true", help="every lab of this machine, those of running tests too")
    commands.add_parser("list", help="what is up")
    commands.add_parser("bases", help="build all bases")
    inside = commands.add_parser("run", help="run a command on the lab's network: run [--lab NAME] -- COMMAND…")
    inside.add_argument("--lab")
    inside.add_argument("argv", nargs="+")
    for verb in ("power-cycle", "cut", "restore", "reset"):
        at_host = commands.add_parser(verb, help=f"{verb} a computer")
        at_host.add_argument("host")
        at_host.add_argument("--lab")
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        print("the lab needs root: it makes namespaces and boots computers", file=sys.stderr)
        return 2
    return _COMMANDS.get(options.command, _host_command)(options)


def _up(options: argparse.Namespace) -> int:
    bases = options.base.split(",")
    if unknown := set(bases) - set(_NAMES):
        print(f"no base called {', '.join(unknown)}; there are: {', '.join(_NAMES)}", file=sys.stderr)
        return 2
    for base in bases:
        print(f"base {base} …", file=sys.stderr)
        base_root(base)
    started = time.monotonic()
    lab = Lab.create(detached=True)
    try:
        specs = [HostSpec(f"pc{n + 1}", bases[n % len(bases)], options.disk_mb) for n in range(options.hosts)]
        lab.add(specs)
    except BaseException:
        lab.close()
        raise
    lab.detach()
    print(f"lab {lab.name}: {len(lab.hosts)} computers up in {time.monotonic() - started:.1f} s\n")
    for host in lab.hosts.values():
        print(f"  {host.name:<8} {host.address:<12} {host.spec.base}")
    inside = " ".join(lab.argv_inside([]))
    if WINDOWS in bases:
        said = next(host for host in lab.hosts.values() if host.spec.base == WINDOWS).connection()
        print(f"\nWindows          user {said['ansible_user']}, password in {lab.folder}/password; in an inventory:")
        print("".join(f"                 {name}: {value}\n" for name, value in said.items()), end="")
    if set(bases) == {WINDOWS}:
        print(f"inventory        {lab.folder}/inventory.yaml")
        print(f"network          {inside} COMMAND")
        print(f"end              python -m tests.lab down {lab.name}")
        return 0
    print(f"""
inventory        {lab.folder}/inventory.yaml
people           root, petugas (sudo without password), operator (sudo with password {PASSWORD})
key              {lab.folder}/id_ed25519
shell            {inside} ssh -F {lab.folder}/ssh_config pc1
pasang           {inside} .venv/bin/pasang hosts trust --yes -i {lab.folder}/inventory.yaml
                 {inside} .venv/bin/pasang check nginx -i {lab.folder}/inventory.yaml
end              python -m tests.lab down {lab.name}""")
    return 0


def _down(options: argparse.Namespace) -> int:
    labs = [Lab.open(name) for name in running_labs()] if options.all else [_chosen_lab(options.name)]
    for lab in labs:
        lab.close()
        print(f"lab {lab.name} is down")
    for name in remove_dead_labs():
        print(f"lab {name} was dead; its leftovers are removed")
    return 0


def _list(_: argparse.Namespace) -> int:
    for name in running_labs():
        lab = Lab.open(name)
        print(f"lab {name}: {lab.folder}/inventory.yaml")
        for host in lab.hosts.values():
            state = "on" if host.is_on() else "off"
            print(f"  {host.name:<8} {host.address:<12} {host.spec.base:<9} {state}")
    return 0


def _bases(_: argparse.Namespace) -> int:
    for name in _NAMES:
        started = time.monotonic()
        root = base_root(name)
        print(f"{name:<9} {time.monotonic() - started:5.1f} s  {root}")
    return 0


def _run(options: argparse.Namespace) -> int:
    lab = _chosen_lab(options.lab)
    os.execvp("nsenter", lab.argv_inside(options.argv))


def _host_command(options: argparse.Namespace) -> int:
    host = _chosen_lab(options.lab).hosts[options.host]
    verbs = {
        "power-cycle": host.power_cycle,
        "cut": host.cut_line,
        "restore": host.restore_line,
        "reset": host.reset,
    }
    verbs[options.command]()
    return 0


def _chosen_lab(name: str | None) -> Lab:
    names = [name] if name else running_labs()
    if len(names) != 1:
        raise SystemExit(f"{len(names)} labs are up ({', '.join(names) or 'none'}); say which one is meant")
    return Lab.open(names[0])


_COMMANDS = {"up": _up, "down": _down, "list": _list, "bases": _bases, "run": _run}


if __name__ == "__main__":
    raise SystemExit(main())
