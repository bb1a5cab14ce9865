"""One Windows computer of the lab: an overlay on Wine's disk, a network namespace, and WinRM on its address."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.lab.bases import PASSWORD
from tests.lab.hosts import Host
from tests.lab.space import wait_until
from tests.lab.windows import wine
from tests.lab.windows.base import write_passwd
from tests.lab.windows.settings import PORT, TLS_PORT, Quotas, Settings

_REPOSITORY = Path(__file__).parents[3]

# $1 name, $2 control group, $3 prefix, $4 Python, $5 settings.  wineserver is the kernel: it is in a group of its own,
# so that everything else can be ended before it has saved the registry.
_START = f"""
hostname "$1"
for file in passwd hosts resolv.conf; do
  mount --bind "$3/../$file" "/etc/$file"
done
rm -rf "$3"/../wine-* "$3/wineserver"
(
  echo 0 >"/sys/fs/cgroup/$2/kernel/cgroup.procs"
  exec env -i PATH=/usr/bin:/bin WINEPREFIX="$3" TMPDIR="${{3%/*}}" {wine.SERVER} --foreground --persistent
) &
tries=0
until [ -S "$3"/../wine-*/server-*/socket ]; do
  tries=$((tries + 1)); [ "$tries" -lt 500 ]; sleep 0.01
done
exec "$4" -m tests.lab.windows.computer "$5"
"""
# $1 control group, $2 folder, $3 the script above, $4 and so on its $0 and so on.  Whoever waits sees it on at once.
_BOOT = """
mkdir -p "/sys/fs/cgroup/$1/kernel" "/sys/fs/cgroup/$1/programs"
echo 0 >"/sys/fs/cgroup/$1/programs/cgroup.procs"
cd "$2"
shift 2
nsenter "--net=/run/netns/$3" unshare --mount --uts --ipc --propagation private sh -euc "$@" \\
  </dev/null >>"$LOG" 2>&1 &
"""


class WindowsHost(Host):
    """A Windows computer. Its methods look from outside, past WinRM."""

    quotas = Quotas()
    """Of its WinRM; set them before it boots."""

    def connection(self, *, tls: bool = False) -> dict[str, str]:
        """What an inventory says of it."""
        said = {
            "ansible_host": self.address,
            "ansible_connection": "winrm",
            "ansible_user": wine.PERSON,
            "ansible_password": f"{{file: {self._key.parents[1] / 'password'}}}",
            "ansible_winrm_transport": "ntlm",
            "ansible_winrm_scheme": "https" if tls else "http",
            "ansible_port": str(TLS_PORT if tls else PORT),
        }
        return {**said, "ansible_winrm_ca_trust_path": str(self.certificate)} if tls else said

    @property
    def certificate(self) -> Path:
        """Its certificate, which it signed itself; a client that is to trust it is given this file."""
        return self._key.with_suffix(".pem")

    @property
    def drive(self) -> Path:
        """Its drive C:, readable and writable from outside, on or off."""
        return self.root / "drive_c"

    def power_off(self) -> None:
        """Pull the plug: every program ends where it stands. The registry is kept as it is, as by Windows' own log."""
        group = self._cgroup_folder
        programs, kernel = group / "programs/cgroup.kill", group / "kernel/cgroup.procs"
        if programs.exists():
            programs.write_text("1")
            wait_until(lambda: _empty(group / "programs"), timeout_s=30, what=f"the end of programs on {self.name}")
            for pid in kernel.read_text().split():
                os.kill(int(pid), signal.SIGTERM)  # it writes the registry, then ends
            wait_until(lambda: _empty(group / "kernel"), timeout_s=30, what=f"the registry of {self.name}")
        super().power_off()

    @property
    def leader_pid(self) -> int:
        """The process id, on this machine, of the process that keeps its namespaces."""
        for pid in (self._cgroup_folder / "programs/cgroup.procs").read_text().split():
            if b"tests.lab.windows.computer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        raise RuntimeError(f"{self.name} does not run; its log: {self.log}")

    def run(
        self, argv: list[str] | str, *, check: bool = True, text: str | None = None, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on it, past WinRM; the return code has all its 32 bits.

        Args:
            argv: its arguments, or a whole command line.
            check: whether anything but 0 is an error.
            text: what it reads.
            timeout_s: how long it may take.

        Raises:
            RuntimeError: `check`, and it failed; the message holds what it printed.
        """
        line = argv if isinstance(argv, str) else subprocess.list2cmdline(argv)
        enter = [
            "nsenter",
            f"--target={self.leader_pid}",
            "--mount",
            "--net",
            "--uts",
            "--ipc",
            "--pid",
            f"--wd={_REPOSITORY}",
        ]
        join = ["sh", "-c", 'echo $$ >"$0/programs/cgroup.procs"; exec "$@"', str(self._cgroup_folder)]
        with tempfile.TemporaryDirectory() as place:
            code = Path(place, "code")
            done = subprocess.run(
                [*join, *enter, "--", sys.executable, "-m", "tests.lab.windows.wine", self.root_inside, line, code],
                input=text or "", capture_output=True, text=True, errors="replace", timeout=timeout_s,
            )  # fmt: skip
            if not code.exists():
                raise RuntimeError(f"{self.name}: {line} was not started: {done.stderr}")
            done.returncode = int(code.read_text())
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {line} failed with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def boot_id(self) -> str:
        """Differs after every boot."""
        return f"{self.leader_pid} {Path(f'/proc/{self.leader_pid}/stat').read_text().split()[21]}"

    def processes(self) -> list[str]:
        """The command lines of the Windows programs that run, Wine's own services among them."""
        found = []
        for pid in (self._cgroup_folder / "programs/cgroup.procs").read_text().split():
            try:
                loader, line = os.readlink(f"/proc/{pid}/exe"), Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:  # it ended while we were reading
                continue
            if Path(loader).name.startswith(Path(wine.LOADER).name):  # by its command line a program may be anything
                found.append(line.replace(b"\0", b" ").decode(errors="replace").strip())
        return sorted(found)

    def registry(self, key: str) -> dict[str, dict[str, tuple[str, str]]]:
        """What stands under a key: keys -> names -> (type, value); empty where there is no such key."""
        said = self.run(["reg", "query", key, "/s"], check=False).stdout
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for line in said.splitlines():
            if line.startswith("HKEY_"):
                current = found.setdefault(line.strip(), {})
            elif line.startswith("    "):
                name, kind, value = [*line.strip().split("    ", 2), ""][:3]
                current[name] = kind, value
        return found

    def services(self) -> dict[str, str]:
        """The installed services -> how they start (2 with the computer, 3 when asked, 4 never)."""
        root = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services"
        keys = self.registry(root)
        return {
            key.rpartition("\\")[2]: values["Start"][1]
            for key, values in keys.items()
            if "Start" in values and "ImagePath" in values
        }

    def ports(self) -> list[int]:
        """The TCP ports that somebody listens on."""
        rows = self._space.sh('ip netns exec "$1" ss --no-header --listening --tcp --numeric', self.name).splitlines()
        return sorted({int(row.split()[3].rpartition(":")[2]) for row in rows})

    # --- inside ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        prefix = self.root_inside
        people = {wine.PERSON: PASSWORD}
        settings = Settings(self.name, prefix, self._disk / "certificate.pem", people, self.quotas)
        settings.write(self._disk_outside / "settings.json")
        write_passwd(self._disk_outside / "passwd")
        (self._disk_outside / "hosts").write_text(f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        (self._disk_outside / "resolv.conf").write_text("")  # or Wine waits for a name server that nobody reaches
        file = str(self._disk / "settings.json")
        own = ["computer", self.name, self._cgroup, str(prefix), sys.executable, file]
        self._space.sh(f"LOG='{self.log}'\n{_BOOT}", self._cgroup, str(_REPOSITORY), _START, *own)

    @property
    def _disk_outside(self) -> Path:
        return self._space.root / str(self._disk).lstrip("/")

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, PORT), timeout=2):
                return True
        except OSError:
            if self.is_on():
                return False
            raise RuntimeError(f"{self.name} ended while it booted: {self.log.read_text()[-2000:]}") from None

    def _furnish(self) -> None:
        """Nothing is its own but its name, which it has from its namespace."""

    @property
    def host_key(self) -> str:
        """Its certificate."""
        return self.certificate.read_text()

    def _make_key(self) -> None:
        self._key.parent.mkdir(exist_ok=True)
        self.certificate.write_bytes(_certificate(self.name, [self.address, self.line_address]))

    def _drop_key(self) -> None:
        self.certificate.unlink()

    def _place_key(self) -> None:
        (self._disk_outside / "certificate.pem").write_bytes(self.certificate.read_bytes())


def _empty(group: Path) -> bool:
    return "populated 0" in (group / "cgroup.events").read_text()


def _certificate(name: str, addresses: list[str]) -> bytes:
    """A key and a certificate for it that it signed itself, as `winrm quickconfig -transport:https` wants one."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names: list[Any] = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
