"""The first job as a newcomer does it: the installed wheel, on this very computer, without root."""

from __future__ import annotations

import io
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader

PROJECT = Path(__file__).resolve().parents[2]
ORDINARY = "nobody"
SITE = "Kelurahan Uji"


def _runs(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True).returncode == 0
    except OSError:
        return False


def _as_ordinary(argv: list[str]) -> list[str]:
    """The command as somebody without rights; as ourselves where we have none."""
    if os.geteuid() != 0:
        return argv
    user = pwd.getpwnam(ORDINARY)
    return ["/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--", *argv]


def _python() -> str:
    """A Python of our version that somebody without rights may run (one in root's home folder is not)."""
    is_ours = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for path in (os.path.realpath(sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"):
        if _runs(_as_ordinary([path, "-c", is_ours])):
            return path
    reason = f"{ORDINARY} may run no Python {sys.version_info.major}.{sys.version_info.minor} of this computer"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Newcomer:
    """Somebody with a home folder, the command, and nothing else."""

    home: Path
    command: str
    port: int

    def pasang(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run the command in the home folder."""
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.home), "PASANG_HOME": str(self.home / "pasang"),
            "PASANG_PLAYBOOKS": str(self.home / "playbooks"), "PASANG_LANG": "id", "LANG": "C.UTF-8", "COLUMNS": "160",
        }  # fmt: skip
        return subprocess.run(
            _as_ordinary([self.command, *argv]), capture_output=True, text=True, timeout=60, cwd=self.home,
            env=environment,
        )  # fmt: skip

    def page(self, path: str = "/") -> str:
        """What salam shows."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def servers(self) -> list[int]:
        """The processes that run salam for this home folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it has ended
                continue
            if any(word.startswith(str(self.home)) and word.endswith("salam.py") for word in words):
                found.append(int(folder.name))
        return found


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Newcomer]:
    """The wheel, built and installed into a fresh environment; the dependencies are those of ours."""
    python = _python()
    with tempfile.TemporaryDirectory(prefix="pasang-e2e-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
        subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
        (wheel,) = (folder / "dist").glob("pasang-*.whl")
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        target = str(folder / "venv/bin/python")
        pip = [sys.executable, "-m", "pip", "--python", target, "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        packages = next((folder / "venv/lib").glob("python*/site-packages"))
        (packages / "dependencies.pth").write_text(ours + "\n")
        home = folder / "home"
        home.mkdir()
        shutil.copytree(PROJECT / "playbooks", home / "playbooks")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        variables = {"ansible_connection": "local", "salam_port": port, "site": SITE, "owner": "Pegawai Uji"}
        (home / "inventory.yaml").write_text(json.dumps({"all": {"hosts": {"komputer-uji": variables}}}))
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{ORDINARY}:", str(home)], check=True)
        person = Newcomer(home, str(folder / "venv/bin/pasang"), port)
        try:
            yield person
        finally:
            for pid in person.servers():
                os.kill(pid, 9)


def test_the_wheel_is_whole(newcomer: Newcomer) -> None:
    origin = [
        str(Path(newcomer.command).with_name("python")),
        "-I",
        "-c",
        "import controller; print(controller.__file__)",
    ]
    where = subprocess.run(origin, capture_output=True, text=True, check=True, cwd="/").stdout
    assert where.startswith(str(Path(newcomer.command).parents[1])), "the wheel is tested, not the folder"
    said = newcomer.pasang("--help")
    assert said.returncode == 0, said.stderr
    for command in ("check", "plan", "install", "verify", "uninstall", "resume", "hosts", "depot", "form", "schema"):
        assert f" {command} " in said.stdout
    schema = json.loads(newcomer.pasang("schema", "playbook").stdout)
    assert {"pasang", "software", "payloads", "variants"} <= schema["properties"].keys()


def test_the_first_job(newcomer: Newcomer) -> None:
    done = newcomer.pasang("install", "salam", "-i", "inventory.yaml")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert f"Selamat datang di {SITE}" in newcomer.page()
    (row,) = [json.loads(line) for line in newcomer.pasang("form", "list", "--json").stdout.splitlines()]
    assert (row["software"], row["state"]) == ("salam", "installed")
    servers = newcomer.servers()
    assert servers

    again = newcomer.pasang("install", "salam", "-i", "inventory.yaml", "--json")
    assert again.returncode == 0, again.stderr
    summary = json.loads(again.stdout.splitlines()[-1])
    assert summary["counts"] == {"already_installed": 1}
    assert newcomer.servers() == servers

    _check_form(newcomer, row["number"])
    verified = newcomer.pasang("verify", "salam", "-i", "inventory.yaml", "--json")
    assert verified.returncode == 0, verified.stderr

    gone = newcomer.pasang("uninstall", "salam", "-i", "inventory.yaml", "--json")
    assert gone.returncode == 0, (gone.stdout, gone.stderr)
    rollback = json.loads(gone.stdout.splitlines()[-1])["hosts"]["komputer-uji"]["rollback"]
    assert rollback["verdict"] == "clean", rollback
    deadline = time.monotonic() + 5
    while newcomer.servers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not newcomer.servers()
    assert not (newcomer.home / ".local/share/salam").exists()
    share = newcomer.home / ".local/share"
    left = {path.name for path in share.iterdir()} if share.exists() else set()
    assert left <= {"pasang-agent"}


def _check_form(newcomer: Newcomer, number: str) -> None:
    """Shown, printed, signed, and no longer believed once a byte of it is another."""
    shown = newcomer.pasang("form", "show", number).stdout
    for words in ("Mempersiapkan Instalasi SW", "Verifikasi konfigurasi", "Pegawai Uji", number):
        assert words in shown
    printed = newcomer.pasang("form", "pdf", number, "-o", "form.pdf")
    assert printed.returncode == 0, printed.stderr
    data = (newcomer.home / "form.pdf").read_bytes()
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    assert number in text
    assert "salam" in text.lower()
    signed = newcomer.pasang("form", "sign", number, "--as", "user", "--name", "Pegawai Uji")
    assert signed.returncode == 0, signed.stderr
    newcomer.pasang("form", "export", number, "-o", "form.json")
    file = newcomer.home / "form.json"
    assert newcomer.pasang("form", "verify", "form.json").returncode == 0
    content = file.read_bytes()
    place = content.index(b"Pegawai Uji")
    file.write_bytes(content[:place] + b"Q" + content[place + 1 :])
    bad = newcomer.pasang("form", "verify", "form.json")
    assert bad.returncode == 1
    assert "byte" in bad.stdout
