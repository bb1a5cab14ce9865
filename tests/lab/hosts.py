"""One computer of the lab: an overlay on a base, a network namespace, and a systemd that believes in both."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bases import run
from tests.lab.space import GATEWAY, PREFIX_BITS, Space, wait_until

_PEOPLE = ("root", "petugas", "operator")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

# $1 name, $2 disk folder, $3 base, $4 size in MB or empty.  redirect_dir: renaming a folder works as on a real disk.
_MOUNT = """
mkdir -p "$2"
[ -z "$4" ] || mount -t tmpfs -o "mode=755,size=$4m" "lab-$1" "$2"
mkdir -p "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$3,upperdir=$2/upper,workdir=$2/work,redirect_dir=on" "lab-$1" "$2/root"
"""
_UNMOUNT = """
umount "$2/root"
[ -z "$4" ] || umount "$2"
rm -rf "$2"
"""
# $1 name, $2 port on the bridge, $3 address with bits, $4 gateway.
_PLUG = """
ip netns add "$1"
ip link add "$2" type veth peer name eth0 netns "$1"
ip link set "$2" master lab0 up
ip -n "$1" -batch - <<END
link set lo up
address add $3 dev eth0
link set eth0 up
route add default via $4
END
"""
_UNPLUG = 'ip netns delete "$1"; ip link delete "$2" 2>/dev/null || true'
# $1 name, $2 root, $3 control group, $4 log.  Orphaned on purpose: the keeper of the space inherits it.
# A computer that reboots ends nspawn with 133 (systemd-nspawn@.service), and boots again as a machine would.
_BOOT = """
mkdir -p "/sys/fs/cgroup/$3"
(
  while :; do
    status=0
    (
      echo 0 >"/sys/fs/cgroup/$3/cgroup.procs"
      exec env -i PATH="$PATH" SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit \\
        --directory="$2" --machine="$1" --network-namespace-path="/run/netns/$1" --resolv-conf=off --timezone=off \\
        --link-journal=no --console=pipe --boot systemd.show_status=no
    ) || status=$?
    [ "$status" = 133 ] || break
    find "/sys/fs/cgroup/$3" -depth -type d -exec rmdir {} \\;
    mkdir "/sys/fs/cgroup/$3"
  done
) </dev/null >>"$4" 2>&1 &
"""


@dataclass(frozen=True)
class HostSpec:
    """What a computer is asked to be.

    Attributes:
        name: its host name, unique in the lab, at most 30 letters, digits and hyphens.
        base: one of `bases.BASES`.
        disk_mb: the size of a disk of its own; None shares the lab's memory.
        sshd: lines for its sshd_config, such as "MaxStartups 200"; they win over Debian's.
    """

    name: str
    base: str = "bookworm"
    disk_mb: int | None = None
    sshd: str = ""


class Host:
    """A computer; made and ended by its `Lab`. Its methods look from outside, past anything that runs on it."""

    def __init__(self, spec: HostSpec, number: int, *, base_root: Path, folder: Path, space: Space) -> None:
        self.spec = spec
        self.name = spec.name
        self.number = number
        self.address = f"10.77.{1 + number // 250}.{1 + number % 250}"
        self.line_address = f"10.78.{1 + number // 250}.{1 + number % 250}"  # where a forwarder may listen for it
        self.log = folder / "logs" / f"{spec.name}.log"
        self._port = f"port{number}"
        self._disk = folder / "disks" / spec.name
        self._key = folder / "keys" / spec.name
        self._client_key = folder / "id_ed25519.pub"
        self._cgroup = f"pasang-lab-{folder.name}/{spec.name}"
        self._base_root = base_root
        self._space = space

    # --- being made and ended -------------------------------------------------------------------------------------

    def make(self) -> None:
        """Give it a disk and a cable; it is not switched on."""
        self._make_key()
        self._mount()
        self._space.sh(_PLUG, self.name, self._port, f"{self.address}/{PREFIX_BITS}", GATEWAY)

    def destroy(self) -> None:
        """Switch it off and take disk and cable away."""
        self.power_off()
        self._unmount()
        self._space.sh(_UNPLUG, self.name, self._port)
        self._drop_key()

    def boot(self, *, timeout_s: float = 120) -> float:
        """Switch it on and wait until its sshd answers; return the seconds that took.

        Raises:
            TimeoutError: sshd did not answer; the message ends with what the computer printed.
        """
        started = time.monotonic()
        self.log.parent.mkdir(exist_ok=True)
        self._start()
        with self._space.inside():
            try:
                wait_until(self._greets, timeout_s=timeout_s, what=f"an answer of {self.name}", every_s=0.05)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{self.log.read_text()[-2000:]}") from error
        return time.monotonic() - started

    def power_off(self) -> None:
        """Pull the plug: every process ends where it stands, nothing is written any more."""
        kill = self._cgroup_folder / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")
            wait_until(lambda: not self.is_on(), timeout_s=30, what=f"the end of {self.name}")
            # A group that was killed once must not be used again: kernels that count kills (6.14 and later) end every
            # process that is started from it into a younger group, which is how systemd 254 and later start services.
            for group, _, _ in os.walk(self._cgroup_folder, topdown=False):
                os.rmdir(group)

    def power_cycle(self) -> float:
        """Pull the plug, put it back, wait for sshd; the disk stays as it was left. Return the seconds of the boot."""
        self.power_off()
        return self.boot()

    def keep_disk(self, name: str) -> None:
        """Switch it off and remember its disk as it is, under `name`, for `reset`."""
        self.power_off()
        self._space.sh('rm -rf "$2"; cp -a "$1/upper" "$2"', str(self._disk), self._kept(name))

    def reset(self, *, start: bool = True, kept: str | None = None) -> None:
        """Put a disk in (same name, address and host key), and switch it on.

        Args:
            start: whether it is switched on.
            kept: the name under which `keep_disk` remembered what stands on the disk; a new one without.
        """
        self.power_off()
        self._unmount()
        if kept is not None:
            self._space.sh('mkdir "$1"; cp -a "$2" "$1/upper"', str(self._disk), self._kept(kept))
        self._mount()
        self.restore_line()
        if start:
            self.boot()

    def change_host_key(self) -> None:
        """Give it another host key, as if somebody else answered at its address; sshd shows it once it is restarted."""
        self._drop_key()
        self._make_key()
        self._place_key()

    def is_on(self) -> bool:
        """Whether any process of it runs."""
        events = self._cgroup_folder / "cgroup.events"
        return events.exists() and "populated 1" in events.read_text()

    # --- the cable ------------------------------------------------------------------------------------------------

    def cut_line(self) -> None:
        """Pull the cable at the switch: packets vanish, nobody is told."""
        self._space.sh('ip link set "$1" down', self._port)

    def restore_line(self) -> None:
        """Put the cable back."""
        self._space.sh('ip link set "$1" up', self._port)

    # --- looking from outside -------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The root of its disk, readable and writable from outside, on or off.

        An absolute symbolic link on it leads to *this* machine's files: read links, do not follow them.
        """
        return self._space.root / str(self.root_inside).lstrip("/")

    @property
    def root_inside(self) -> Path:
        """The root of its disk as the lab's own space sees it."""
        return self._disk / "root"

    @property
    def layers(self) -> tuple[Path, Path]:
        """What it has written, and the base under it; `root` is the two together."""
        return self._space.root / str(self._disk / "upper").lstrip("/"), self._base_root

    @property
    def host_key(self) -> str:
        """Its public host key, as a line of known_hosts has it after the name."""
        return " ".join(self._key.with_suffix(".pub").read_text().split()[:2])

    @property
    def leader_pid(self) -> int:
        """The process id, on this machine, of its PID 1."""
        for line in (self._cgroup_folder / "payload/init.scope/cgroup.procs").read_text().split():
            if Path(f"/proc/{line}/comm").read_text().strip() == "systemd":
                return int(line)
        raise RuntimeError(f"{self.name} has no systemd running; its log: {self.log}")

    def connection(self) -> dict[str, str]:
        """What an inventory says of it."""
        return {"ansible_host": self.address}

    def run(
        self, argv: list[str], *, check: bool = True, text: str | None = None, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` on it as root, entered from outside: no sshd, no agent.

        Raises:
            RuntimeError: `check`, and it failed; the message holds what it printed.
        """
        enter = ["nsenter", f"--target={self.leader_pid}", "--mount", "--net", "--pid", "--uts", "--ipc", "--"]
        done = subprocess.run(
            [*enter, *argv], input=text or "", env=_ENVIRONMENT, capture_output=True, text=True, timeout=timeout_s
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {argv} failed with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def boot_id(self) -> str:
        """Differs after every boot."""
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    def memory_bytes(self) -> int:
        """What its processes take for themselves (proportional set size), without files on its disk."""
        total = 0
        for procs in self._cgroup_folder.rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        return total

    def cpu_seconds(self) -> float:
        """User and system time of all its processes since it was switched on."""
        stat = (self._cgroup_folder / "cpu.stat").read_text()
        return next(int(line.split()[1]) / 1e6 for line in stat.splitlines() if line.startswith("usage_usec"))

    def disk_used_bytes(self) -> int:
        """What it has written to its disk since it was made."""
        return sum(path.lstat().st_blocks * 512 for path in self.layers[0].rglob("*"))

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _cgroup_folder(self) -> Path:
        return self._space.root / "sys/fs/cgroup" / self._cgroup

    def _start(self) -> None:
        self._space.sh(_BOOT, self.name, str(self.root_inside), self._cgroup, str(self.log))

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _mount(self) -> None:
        self._space.sh(_MOUNT, *self._mount_args())
        self._furnish()
        self._place_key()

    def _furnish(self) -> None:
        """Make its disk its own."""
        root = self.root
        (root / "etc/hostname").write_text(f"{self.name}\n")
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n")
        (root / "etc/machine-id").write_text(hashlib.md5(self._cgroup.encode()).hexdigest() + "\n")
        if self.spec.sshd:
            (root / "etc/ssh/sshd_config.d/00-test.conf").write_text(f"{self.spec.sshd}\n")
        for person in _PEOPLE:
            home = root / ("root" if person == "root" else f"home/{person}")
            owner = home.stat()
            folder = home / ".ssh"
            folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(self._client_key, folder / "authorized_keys")
            for path in (folder, folder / "authorized_keys"):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _kept(self, name: str) -> str:
        return f"{self._disk}.{name}"

    def _make_key(self) -> None:
        self._key.parent.mkdir(exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(self._key)])

    def _drop_key(self) -> None:
        self._key.unlink()
        self._key.with_suffix(".pub").unlink()

    def _place_key(self) -> None:
        for suffix, mode in ((".pub", 0o644), ("", 0o600)):
            path = self.root / f"etc/ssh/ssh_host_ed25519_key{suffix}"
            shutil.copyfile(f"{self._key}{suffix}", path)
            path.chmod(mode)

    def _unmount(self) -> None:
        self._space.sh(_UNMOUNT, *self._mount_args())

    def _mount_args(self) -> tuple[str, str, str, str]:
        return self.name, str(self._disk), str(self._base_root), str(self.spec.disk_mb or "")
