"""What is being done when the fault comes: real packages of nginx, whole, older, newer, and broken.

The packages under versions of ours pass points in each of their scripts, so that a fault also comes in the middle of
dpkg, on the way there and on the way back.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import debs
from tests.lab.playbooks import nginx_playbook

OLD, NEW = "1.22.1-8", "1.22.1-10"
"""Versions of ours on both sides of Debian's own, which is 1.22.1-9 and what was added to it."""
HOOK = "/run/chaos-hook"
"""What each script of the packages runs first, where it is there: it goes when the computer is switched off."""
TRIES = "/etc/nginx/percobaan"
ATTEMPTS = 3
REFUSES = ("sh", "-c", "echo 'the counter is sealed' >&2; exit 1")
FAILS_AT_LAST = """
if [ "$1" = configure ]; then trap 'echo "nginx: the licence server does not answer" >&2; exit 1' EXIT; fi
"""


@dataclass(frozen=True)
class Scenario:
    """One order on one computer.

    Attributes:
        says: what happens without a fault, for the table.
        playbook: writes the one that is ordered into a folder.
        before: writes the one that was installed before; None where nothing was.
        end: how it ends without a fault.
    """

    says: str
    playbook: Callable[[Path], Path]
    end: str
    before: Callable[[Path], Path] | None = None


def _old(folder: Path) -> Path:
    return nginx_playbook(folder, packages=[repacked(deb, folder, OLD) for deb in debs.nginx()])


def _new(folder: Path) -> Path:
    packages = [repacked(deb, folder, NEW) for deb in debs.nginx()]
    return nginx_playbook(folder, packages=packages, requirements={})  # the port is in use: by the version before


def _broken(folder: Path) -> Path:
    """Its last script does all its work, and fails."""
    scripts = {"nginx": {"postinst": FAILS_AT_LAST}}
    packages = [repacked(deb, folder, NEW, scripts) for deb in debs.nginx()]
    return nginx_playbook(folder, packages=packages, requirements={})


def _counted(wanted: str, undo: Sequence[str] = ("rm", "-f", TRIES)) -> Callable[[Path], Path]:
    """Configured again and again until ``wanted`` stands in a file that each visit adds a letter to.

    Args:
        wanted: what is to stand there.
        undo: what takes a visit back.
    """

    def write(folder: Path) -> Path:
        conf = {"path": "/etc/nginx/conf.d/iidc.conf", "template": "iidc.conf.j2", "mode": "0644"}
        site = {"path": "/etc/nginx/sites-enabled/default", "state": "absent"}
        count = {"argv": ["sh", "-c", f"printf x >>{TRIES}"], "undo": {"argv": list(undo)}}
        reload = {"name": "nginx", "state": "reloaded"}
        actions = [{"file": conf}, {"file": site}, {"command": count}, {"service": reload}]
        return nginx_playbook(
            folder,
            packages=[repacked(deb, folder, NEW) for deb in debs.nginx()],
            configure={"decision": "always", "attempts": ATTEMPTS, "actions": actions},
            verify=[{"file": {"path": TRIES, "contains": wanted}}],
        )

    return write


SCENARIOS: Mapping[str, Scenario] = {
    "install": Scenario("nginx is installed and configured", nginx_playbook, "installed"),
    "upgrade": Scenario("an older nginx is brought up to date", _new, "installed", _old),
    "broken-upgrade": Scenario(
        "the newer nginx refuses to be configured; the older comes back", _broken, "rolled_back", _old
    ),
    "loop": Scenario(
        "the configuration is right at the third attempt (10, 11, 10, 11, 10, 11)", _counted("xxx"), "installed"
    ),
    "endless-loop": Scenario("it never is; all is taken back (11 to 8)", _counted("never"), "rolled_back"),
    "no-way-back": Scenario(
        "it never is, and a part of it refuses to be taken back", _counted("never", undo=REFUSES), "needs_person"
    ),
}


def repacked(deb: Path, folder: Path, version: str, scripts: Mapping[str, Mapping[str, str]] | None = None) -> Path:
    """A package of Debian's under another version, which it also says in a file; its scripts pass points.

    Args:
        deb: the package.
        folder: where the new one goes; made where it is missing.
        version: of the new one, and of what it needs of its own source.
        scripts: package -> script -> lines of shell that are put before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name, _, architecture = deb.stem.split("_")
    with tempfile.TemporaryDirectory(prefix="repack-") as temporary:
        root = Path(temporary) / "root"
        _run("dpkg-deb", "--raw-extract", deb, root)
        control = root / "DEBIAN/control"
        control.write_text(control.read_text().replace(_field(deb, "Version"), version))
        said = root / f"usr/share/{name}/versi"
        said.parent.mkdir(parents=True, exist_ok=True)
        said.write_text(f"{version}\n")
        for path in (root / "DEBIAN" / script for script in ("preinst", "postinst", "prerm", "postrm")):
            if path.exists():
                first, _, rest = path.read_text().partition("\n")
                passes = f'[ ! -e {HOOK} ] || sh {HOOK} "{name}.{path.name}.$1"'
                more = (scripts or {}).get(name, {}).get(path.name, "")
                path.write_text(f"{first}\n{passes}\n{more}\n{rest}")
        target = folder / f"{name}_{version}_{architecture}.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, target)
    return target


def _field(deb: Path, name: str) -> str:
    return _run("dpkg-deb", "--field", deb, name).strip()


def _run(*argv: Any) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv}: {done.stderr}")
    return done.stdout
