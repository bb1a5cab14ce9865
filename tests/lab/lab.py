"""A lab: a bridge, its computers, and the files a person or a test needs to reach them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.lab.bases import PASSWORD, ensure_base, ensure_tools, run
from tests.lab.hosts import Host, HostSpec
from tests.lab.space import Space, is_locked
from tests.lab.windows import base as windows
from tests.lab.windows.computers import WindowsHost

LABS = Path("/run/pasang-lab")
_REMOVE_CGROUPS = (
    'umount -R -l /sys/fs/cgroup; mount -t cgroup2 lab /sys/fs/cgroup && cd "/sys/fs/cgroup/$1" 2>/dev/null || exit 0;'
    ' find . -depth -mindepth 1 -type d -exec rmdir {} +; cd ..; rmdir "$1"'
)


class Lab:
    """Computers on a network of their own. Close it, or use it as a context manager.

    Attributes:
        name: tells it from other labs of this machine.
        folder: its files: `inventory.yaml`, `ssh_config`, `known_hosts`, `id_ed25519`, `logs/`.
        hosts: by name, in the order in which they were added.
    """

    def __init__(self, name: str, space: Space) -> None:
        self.name = name
        self.folder = LABS / name
        self.space = space
        self.hosts: dict[str, Host] = {}
        self._next_number = 0

    @classmethod
    def create(cls, *, detached: bool = False) -> Lab:
        """Make an empty lab, after clearing away what dead labs left.

        Args:
            detached: whether it stays up when this process ends (see `open` and `close`).
        """
        ensure_tools()
        remove_dead_labs()
        name = secrets.token_hex(3)
        folder = LABS / name
        (folder / "disks").mkdir(parents=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(folder / "id_ed25519")])
        lab = cls(name, Space.create(folder / "disks", folder / "lock", detached=detached))
        lab._write_files()
        return lab

    @classmethod
    def open(cls, name: str) -> Lab:
        """Return the running lab called `name`.

        Raises:
            LookupError: there is none.
        """
        folder = LABS / name
        if not is_locked(folder / "lock"):
            raise LookupError(f"no lab called {name} is up")
        state = json.loads((folder / "state.json").read_text())
        lab = cls(name, Space(state["keeper_pid"], folder / "lock"))
        for row in state["hosts"]:
            host = lab._host(HostSpec(**row["spec"]), row["number"])
            lab.hosts[host.name] = host
        lab._next_number = state["next_number"]
        return lab

    def add(self, specs: Sequence[HostSpec], *, start: bool = True) -> list[Host]:
        """Make computers, side by side, and switch them on; return them in the order of `specs`."""
        for base in {spec.base for spec in specs}:
            base_root(base)
        hosts = []
        for spec in specs:
            if spec.name in self.hosts:
                raise ValueError(f"the lab has a computer called {spec.name} already")
            hosts.append(self._host(spec, self._next_number))
            self._next_number += 1
            self.hosts[spec.name] = hosts[-1]

        def make(host: Host) -> None:
            host.make()
            if start:
                host.boot()

        _side_by_side(make, hosts)
        self._write_files()
        return hosts

    def remove(self, hosts: Sequence[Host]) -> None:
        """Switch computers off and throw them away."""
        _side_by_side(Host.destroy, hosts)
        for host in hosts:
            del self.hosts[host.name]
        self._write_files()

    def argv_inside(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` on the lab's network; files and people stay this machine's."""
        return self.space.argv(list(argv))

    def run_inside(self, argv: Sequence[str], *, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run `argv` on the lab's network to its end; look at its return code yourself."""
        return subprocess.run(self.argv_inside(argv), capture_output=True, text=True, timeout=timeout_s)

    def inside(self) -> AbstractContextManager[None]:
        """Put the calling thread, and the threads it starts, on the lab's network for a `with` block."""
        return self.space.inside()

    def ssh_argv(self, host: Host, *argv: str, user: str = "root") -> list[str]:
        """Return the OpenSSH command, to be run on this machine, that runs `argv` on a computer."""
        return self.argv_inside(["ssh", "-F", str(self.folder / "ssh_config"), f"{user}@{host.name}", *argv])

    def write_inventory(
        self, path: Path, hosts: Sequence[tuple[str, str]] | Sequence[Host] | None = None, *, user: str = "root"
    ) -> Path:
        """Write an inventory with the group `loket` to `path`.

        Args:
            path: of the file.
            hosts: computers, or pairs of a name and the address to be used; all of the lab without.
            user: whom to log in as.
        """
        lines = ["all:", "  vars:", f"    ansible_user: {user}"]
        lines += [f"    ansible_ssh_private_key_file: {self.folder / 'id_ed25519'}", "    location: user"]
        lines += ["  children:", "    loket:", "      hosts:"]
        for host in list(self.hosts.values()) if hosts is None else hosts:
            name, said = (
                (host.name, host.connection()) if isinstance(host, Host) else (host[0], {"ansible_host": host[1]})
            )
            lines.append(f"        {name}: {{{', '.join(f'{key}: {value}' for key, value in said.items())}}}")
        path.write_text("\n".join(lines) + "\n")
        return path

    def detach(self) -> None:
        """Leave a lab made with `detached=True` to itself: it stays up when this process ends."""
        self.space.release()

    def close(self) -> None:
        """End every computer and remove the lab; harmless twice."""
        self.space.close()
        _remove(self.folder)
        self.hosts.clear()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _host(self, spec: HostSpec, number: int) -> Host:
        kind = WindowsHost if spec.base == windows.NAME else Host
        return kind(spec, number, base_root=base_root(spec.base), folder=self.folder, space=self.space)

    def _write_files(self) -> None:
        """Write what is needed to find the lab again, and to reach its computers."""
        hosts = list(self.hosts.values())
        (self.folder / "password").write_text(PASSWORD)
        rows = [{"spec": asdict(host.spec), "number": host.number} for host in hosts]
        state = {"keeper_pid": self.space.keeper_pid, "next_number": self._next_number, "hosts": rows}
        (self.folder / "state.json").write_text(json.dumps(state))
        hosts = [host for host in hosts if not isinstance(host, WindowsHost)]
        known = "".join(f"{host.name},{host.address},{host.line_address} {host.host_key}\n" for host in hosts)
        (self.folder / "known_hosts").write_text(known)
        config = "".join(f"Host {host.name}\n  HostName {host.address}\n  HostKeyAlias {host.name}\n" for host in hosts)
        config += f"Host *\n  User root\n  IdentityFile {self.folder}/id_ed25519\n  IdentitiesOnly yes\n"
        config += f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking yes\n"
        (self.folder / "ssh_config").write_text(config)
        self.write_inventory(self.folder / "inventory.yaml")


def base_root(name: str) -> Path:
    """The disk that all computers of a base share, built first where it is not kept yet."""
    return windows.ensure_base() if name == windows.NAME else ensure_base(name)


@contextmanager
def temporary_lab(specs: Sequence[HostSpec] = ()) -> Iterator[Lab]:
    """A lab for one `with` block."""
    with Lab.create() as lab:
        lab.add(specs)
        yield lab


def running_labs() -> list[str]:
    """The names of the labs that are up, in no order that means anything."""
    return [path.parent.name for path in LABS.glob("*/lock") if is_locked(path)]


def remove_dead_labs() -> list[str]:
    """Remove what labs left whose keeper has died; return their names."""
    dead = []
    for folder in LABS.glob("*"):
        lock = folder / "lock"
        if lock.exists() and not is_locked(lock):  # without a lock file it is just being made
            _remove(folder)
            dead.append(folder.name)
    return dead


def _remove(folder: Path) -> None:
    argv = ["unshare", "--mount", "sh", "-c", _REMOVE_CGROUPS, "lab", f"pasang-lab-{folder.name}"]
    subprocess.run(argv, capture_output=True, check=False)  # nothing depends on it: an empty group costs nothing
    shutil.rmtree(folder, ignore_errors=True)


def _side_by_side(function: Callable[[Host], None], hosts: Sequence[Host]) -> None:
    """Call `function` for every host, some at once; the first error is raised after those under way have ended."""
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 2) + 2) as pool:
        futures = [pool.submit(function, host) for host in hosts]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
