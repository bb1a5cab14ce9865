"""The bases of the lab: a minimal Debian server per release, built once, kept, and never written to afterwards."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "PASANG_LAB_CACHE"
PASSWORD = "sandi-lab-0417"  # of `operator`; the computers are reachable from their own namespace only

_PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "procps")

# Never wanted on a computer that lives for minutes: they cost time at boot and at every daemon-reload.
_MASKED_UNITS = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer systemd-tmpfiles-clean.timer "
    "getty.target console-getty.service systemd-logind.service systemd-remount-fs.service "
    "systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service "
    "systemd-firstboot.service systemd-machine-id-commit.service systemd-sysctl.service "
    "systemd-modules-load.service systemd-binfmt.service systemd-hwdb-update.service ldconfig.service "
    "systemd-journal-catalog-update.service systemd-update-done.service systemd-network-generator.service "
    "systemd-hibernate-clear.service systemd-pcrphase.service systemd-pcrphase-sysinit.service "
    "systemd-tpm2-setup.service systemd-tpm2-setup-early.service systemd-userdbd.socket sshd-keygen.service "
    "dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount "
    "sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount"
)

# Generators for hardware and ways of booting that a computer here cannot have; systemd runs all of them at each reload.
_MASKED_GENERATORS = (
    "systemd-bless-boot-generator systemd-cryptsetup-generator systemd-debug-generator systemd-factory-reset-generator "
    "systemd-getty-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator systemd-import-generator "
    "systemd-integritysetup-generator systemd-rc-local-generator systemd-run-generator systemd-ssh-generator "
    "systemd-system-update-generator systemd-tpm2-generator systemd-veritysetup-generator"
)

_FILES = {
    # One host key, made for each computer before it boots; everything else is Debian's own default.
    "etc/ssh/sshd_config.d/lab.conf": "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nPasswordAuthentication yes\n",
    "etc/sudoers.d/lab": "petugas ALL=(ALL:ALL) NOPASSWD: ALL\noperator ALL=(ALL:ALL) ALL\n",
    # The journal is kept over a power cut, as on a server, without 8 MB of preallocated memory per computer.
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxFileSize=1M\nSystemMaxUse=16M\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=10s\n",
    "etc/machine-id": "",
    "etc/hostname": "lab\n",
}


@dataclass(frozen=True)
class Base:
    """What a base is made of.

    Attributes:
        name: as tests and `--base` call it.
        suite: the Debian release.
        python: "major.minor" of its python3, or None where it has no Python at all.
    """

    name: str
    suite: str
    python: str | None

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages beside Debian's minimal system."""
        return (*_PACKAGES, "python3") if self.python else _PACKAGES

    @property
    def key(self) -> str:
        """Changes whenever the recipe changes, so that an old base is not taken for a new one."""
        recipe = (self, self.packages, _MASKED_UNITS, _MASKED_GENERATORS, sorted(_FILES.items()), PASSWORD, 1)
        return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


BASES = {
    base.name: base
    for base in (
        Base("bullseye", "bullseye", "3.9"),
        Base("bookworm", "bookworm", "3.11"),
        Base("trixie", "trixie", "3.13"),
        Base("bare", "bookworm", None),
    )
}


def cache_folder() -> Path:
    """Where bases and fetched packages are kept; `PASANG_LAB_CACHE` moves it."""
    folder = Path(os.environ.get(CACHE_VARIABLE) or "/var/cache/pasang-lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ensure_base(name: str) -> Path:
    """Return the root folder of the base called `name`, building it first where it is not kept yet.

    The folder is shared by every computer of every lab: nobody writes into it.
    """
    base = BASES[name]
    root = cache_folder() / "bases" / f"{base.name}-{base.key}"
    if root.is_dir():
        return root
    ensure_tools()
    root.parent.mkdir(parents=True, exist_ok=True)
    with locked(root.with_name(f"{base.name}.lock")):
        if not root.is_dir():  # somebody else may have built it while we waited
            _build(base, root)
    return root


def ensure_tools() -> None:
    """Install what the lab needs and this machine lacks, with the machine's own apt."""
    needed = {
        "systemd-nspawn": "systemd-container",
        "mmdebstrap": "mmdebstrap",
        "ip": "iproute2",
        "ssh-keygen": "openssh-client",
        "nsenter": "util-linux",
    }
    missing = sorted({package for command, package in needed.items() if shutil.which(command) is None})
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    with locked(cache_folder() / "tools.lock"):
        if subprocess.run(install, env=environment, capture_output=True).returncode != 0:
            run(["apt-get", "update", "-q"])
            subprocess.run(install, env=environment, check=True, capture_output=True)


def mirror() -> str:
    """The Debian archive that this machine's own apt uses."""
    rows = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).split()
    found = next((row for row in rows if row.rstrip("/").endswith("/debian")), None)
    if found is None:
        raise RuntimeError("apt on this computer knows no Debian archive to build the bases from")
    return found


def apt_settings() -> str:
    """The machine's own way to the network (proxies, time-outs, leniency about dates) as lines of an apt.conf."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
    return "\n".join(line for line in run(["apt-config", "dump"]).splitlines() if line.startswith(wanted)) + "\n"


def _build(base: Base, root: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{base.name}-", dir=root.parent))
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
            settings.write(apt_settings())
            settings.flush()
            run(
                [
                    "mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--aptopt={settings.name}",
                    "--include=" + ",".join(base.packages), base.suite, str(temporary / "root"), mirror(),
                ]
            )  # fmt: skip
        _furnish(temporary / "root", base)
        (temporary / "root").rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in root.parent.glob(f"{base.name}-*"):  # computers that are up still hold the files they opened
        if old != root and old.is_dir() and not _in_use(old):
            shutil.rmtree(old)


def _in_use(root: Path) -> bool:
    """Whether a computer of some lab is built on `root`: its overlay stands in the mounts of its keeper."""
    for mounts in Path("/proc").glob("[0-9]*/mounts"):
        try:
            if f"lowerdir={root}" in mounts.read_text():
                return True
        except OSError:  # the process ended while we were reading
            continue
    return False


def _furnish(root: Path, base: Base) -> None:
    """Make the computers boot fast and let the lab's people in."""
    (root / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)  # the machine's own ways are not the base's
    (root / "etc/apt/sources.list").write_text(f"deb {mirror()} {base.suite} main\n")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "etc/sudoers.d/lab").chmod(0o440)
    for folder, names in (("system", _MASKED_UNITS.split()), ("system-generators", _MASKED_GENERATORS.split())):
        (root / "etc/systemd" / folder).mkdir(exist_ok=True)
        for name in names:
            link = root / "etc/systemd" / folder / name
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
    target = root / "etc/systemd/system/default.target"
    target.unlink(missing_ok=True)
    target.symlink_to("/lib/systemd/system/multi-user.target")
    for user in ("petugas", "operator"):  # -g users: Debian already has a group called operator
        run(["chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash", "--gid", "users", user])
    run(["chroot", str(root), "chpasswd"], text=f"operator:{PASSWORD}\n")
    (root / "var/log/journal").mkdir(exist_ok=True)
    for stamp in ("etc/.updated", "var/.updated"):  # systemd would otherwise do its work of a first boot
        (root / stamp).touch()


def run(argv: list[str], *, text: str | None = None) -> str:
    """Run `argv` to its end and return what it printed.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"{' '.join(argv[:4])} … failed with exit code {done.returncode}: {said}")
    return done.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` as a lock against other labs of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
