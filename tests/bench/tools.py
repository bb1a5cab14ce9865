"""The four tools: how each is set up, and the command with which it does the work on some computers."""

from __future__ import annotations

import hashlib
import io
import shlex
import subprocess
import sys
import tarfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.records import Store
from tests.lab.bases import cache_folder, locked, run
from tests.lab.debs import nginx
from tests.lab.lab import Lab

PINNED = {"pyinfra": "pyinfra==3.10.0", "ansible": "ansible-core==2.19.14"}
TOOLS = ("raw", "pyinfra", "ansible", "pasang")
FORKS = 50
_RECIPES = Path(__file__).parent / "recipes"
_SAME = "-o BatchMode=yes -o ConnectTimeout=60"


@dataclass(frozen=True)
class Kit:
    """What the tools work with: one folder, made once for a bench.

    Attributes:
        folder: packages, recipes, inventories and results; thrown away afterwards.
        version: of the package nginx, as dpkg knows it.
    """

    folder: Path
    version: str

    @classmethod
    def make(cls, folder: Path) -> Kit:
        """Put packages and recipes into an empty folder."""
        debs = {deb.name.partition("_")[0] + ".deb": deb.read_bytes() for deb in nginx("bookworm")}
        for name, data in debs.items():
            (folder / name).write_bytes(data)
        for recipe in _RECIPES.iterdir():
            if recipe.is_file():
                (folder / recipe.name).write_bytes(recipe.read_bytes())
        version = run(["dpkg-deb", "--field", str(folder / "nginx.deb"), "Version"]).strip()
        playbook = (
            (folder / "playbook.yaml")
            .read_text()
            .format(
                version=version.partition("-")[0],
                common_digest=hashlib.sha256(debs["nginx-common.deb"]).hexdigest(),
                nginx_digest=hashlib.sha256(debs["nginx.deb"]).hexdigest(),
            )
        )
        (folder / "playbook.yaml").write_text(playbook)
        configuration = (folder / "bench.conf").read_text().strip()
        call = f"work {shlex.quote(version)} {shlex.quote(configuration)}; exit\n"
        stream = (folder / "raw.sh").read_bytes() + call.encode() + _tar(debs)
        (folder / "stream").write_bytes(stream)
        (folder / "pasang-home").mkdir()
        return cls(folder, version)

    @property
    def home(self) -> Path:
        """Pasang's."""
        return self.folder / "pasang-home"

    def aim(self, lab: Lab, addresses: Mapping[str, str]) -> None:
        """Write what the tools need to know of the computers: name -> address."""
        known = "".join(f"{name},{addresses[name]} {lab.hosts[name].host_key}\n" for name in addresses)
        for path in (self.folder / "known_hosts", self.home / "known_hosts"):
            path.write_text(known)
        options = f"User root\nIdentityFile {lab.folder}/id_ed25519\nIdentitiesOnly yes\n"
        options += f"UserKnownHostsFile {self.folder}/known_hosts\nStrictHostKeyChecking yes\n"
        (self.folder / "ssh_config").write_text(f"Host *\n{options}")
        (self.folder / "addresses").write_text("".join(f"{address}\n" for address in addresses.values()))
        lab.write_inventory(self.folder / "inventory.yaml", list(addresses.items()))
        hosts = [(address, {"ssh_user": "root"}) for address in addresses.values()]
        (self.folder / "inventory.py").write_text(f'"""The computers."""\n\nhosts = {hosts!r}\n')

    def command(self, tool: str, lab: Lab) -> tuple[list[str], dict[str, str]]:
        """The command that does the work, and what it wants in its environment."""
        folder = self.folder
        if tool == "raw":
            ssh = f'exec ssh -F {folder}/ssh_config {_SAME} "$1" bash -s <{folder}/stream'
            return ["xargs", f"-P{FORKS}", "-a", f"{folder}/addresses", "-n1", "sh", "-c", ssh, "sh"], {}
        if tool == "pyinfra":
            argv = [f"{tool_folder(tool)}/bin/pyinfra", "-y", f"--parallel={FORKS}", f"{folder}/inventory.py"]
            argv += [f"{folder}/deploy.py", f"--data=folder={folder}", f"--data=version={self.version}"]
            argv += [f"--data=ssh_config_file={folder}/ssh_config", f"--data=ssh_key={lab.folder}/id_ed25519"]
            argv += [f"--data=ssh_known_hosts_file={folder}/known_hosts"]
            return argv, {}
        if tool == "ansible":
            argv = [f"{tool_folder(tool)}/bin/ansible-playbook", "-i", f"{folder}/inventory.yaml"]
            argv += ["-e", f"folder={folder}", f"{folder}/ansible.yaml"]
            settings = {
                "ANSIBLE_FORKS": str(FORKS),
                "ANSIBLE_PIPELINING": "true",
                "ANSIBLE_LOCAL_TEMP": f"{folder}/ansible",
                "ANSIBLE_SSH_ARGS": f"-F {folder}/ssh_config {_SAME} -o ControlMaster=auto -o ControlPersist=60s",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/cp",
                "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
                "LC_ALL": "C.UTF-8",
            }
            return argv, settings
        pasang = Path(sys.executable).with_name("pasang")
        argv = [str(pasang), "install", f"{folder}/playbook.yaml", "-i", f"{folder}/inventory.yaml", "-l", "all"]
        return argv, {"PASANG_HOME": str(self.home), "LANG": "C.UTF-8"}

    def last_contacts(self) -> list[dict[str, object]]:
        """The `host_ended` records of Pasang's last run: bytes, round trips, CPU."""
        with Store(f"sqlite:///{self.home}/pasang.sqlite3") as store:
            last = store.last_run()
            assert last is not None
            return [record for record in store.events(run=last.id) if record["type"] == "host_ended"]


def tool_folder(tool: str) -> Path:
    """The virtual environment of a tool that is not ours; made and filled from the package index where it is missing.

    Raises:
        subprocess.CalledProcessError: pip could not; it has said why.
    """
    folder = cache_folder() / "bench" / PINNED[tool]
    folder.parent.mkdir(exist_ok=True)
    with locked(folder.with_name(f"{tool}.lock")):
        if not (folder / "filled").exists():
            venv.create(folder, clear=True, with_pip=True)
            pip = [f"{folder}/bin/pip", "install", "--quiet", "--disable-pip-version-check", PINNED[tool]]
            subprocess.run(pip, check=True)
            (folder / "filled").touch()
    return folder


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
