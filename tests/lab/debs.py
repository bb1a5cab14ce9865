"""Packages for tests: Debian's own, fetched for a base, and invented ones, built here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab.bases import BASES, apt_settings, cache_folder, ensure_base, locked, mirror, run

# What nginx needs beyond each base, in the order in which it is configured. On bookworm and trixie these are two .debs,
# because the bases hold its libraries (libssl, libpcre2, zlib, libcrypt). On bullseye the package `nginx` is empty and
# wants one of several builds; the smallest is nginx-light, with one module of its own.
NGINX = {
    "bullseye": ("nginx-common", "libnginx-mod-http-echo", "nginx-light"),
    "bookworm": ("nginx-common", "nginx"),
    "trixie": ("nginx-common", "nginx"),
}
_EPOCH = "1700000000"  # the time inside built packages, so that the same package has the same digest in every run


def fetch(base: str, names: Sequence[str]) -> list[Path]:
    """Return the .debs that `names` need beyond `base`, in the order in which dpkg would configure them.

    They come from the Debian archive once and are kept in the lab's cache.

    Raises:
        RuntimeError: apt could not find or fetch them; the message says what it said.
    """
    key = hashlib.sha256(repr((BASES[base].key, list(names))).encode()).hexdigest()[:12]
    kept = cache_folder() / "debs" / f"{base}-{key}"
    with locked(kept.with_name(f"{base}.lock")):
        if not kept.is_dir():
            _fetch(base, names, kept)
    order = (kept / "order").read_text().split()
    return [kept / name for name in order]


def nginx(base: str = "bookworm") -> list[Path]:
    """The real nginx for `base`: nginx-common first, nginx last."""
    return fetch(base, NGINX[base])


def build_deb(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    scripts: Mapping[str, str] | None = None,
    services: Mapping[str, str] | None = None,
    conffiles: Sequence[str] = (),
    depends: str = "",
    architecture: str = "all",
) -> Path:
    """Build `<name>_<version>_<architecture>.deb` in `folder` and return its path.

    Args:
        folder: an existing folder.
        name: the package.
        version: as dpkg compares it.
        files: absolute path -> content; a path under a `bin` or `sbin` folder is made executable.
        scripts: preinst, postinst, prerm, postrm -> shell lines (`#!/bin/sh` and `set -e` are put before them);
            for services they run after those that enable and start, before those that stop.
        services: unit name without `.service` -> the unit; enabled and started by the package as Debian's do.
        conffiles: those of `files` that dpkg treats as configuration.
        depends: the control field.
        architecture: the control field.
    """
    contents: dict[str, str | bytes] = dict(files or {})
    maintainer = dict(scripts or {})
    for unit, text in (services or {}).items():
        contents[f"/lib/systemd/system/{unit}.service"] = text
    if services:
        for script, lines in _service_scripts(list(services)).items():
            own = maintainer.get(script, "")
            maintainer[script] = f"{own}\n{lines}" if script == "prerm" else f"{lines}\n{own}"
    with tempfile.TemporaryDirectory(prefix="lab-deb-") as temporary:
        root = Path(temporary) / "root"
        (root / "DEBIAN").mkdir(parents=True)
        for path, content in contents.items():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
            target.chmod(0o755 if target.parent.name in ("bin", "sbin") else 0o644)
        for script, lines in maintainer.items():
            target = root / "DEBIAN" / script
            target.write_text(f"#!/bin/sh\nset -e\n{lines}\n")
            target.chmod(0o755)
        if conffiles:
            (root / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in conffiles))
        size_kib = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024 + 1
        control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nInstalled-Size: {size_kib}\n"
        control += "Maintainer: Lab <lab@example.invalid>\nSection: misc\nPriority: optional\n"
        control += f"Depends: {depends}\n" if depends else ""
        control += f"Description: invented package of the tests: {name}\n"
        (root / "DEBIAN/control").write_text(control)
        for inside in [root, *root.rglob("*")]:
            if inside.is_dir():
                inside.chmod(0o755)
            os.utime(inside, (int(_EPOCH), int(_EPOCH)))
        deb = folder / f"{name}_{version}_{architecture}.deb"
        argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(deb)]
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH})
    return deb


def write_repository(folder: Path, packages: Sequence[Path]) -> Path:
    """Make `folder` an apt repository of `packages` (`deb [trusted=yes] file:/folder ./`, or served over HTTP)."""
    folder.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for deb in packages:
        target = folder / deb.name
        shutil.copyfile(deb, target)
        content = target.read_bytes()
        fields = run(["dpkg-deb", "--field", str(target)]).rstrip("\n")
        digest = hashlib.sha256(content).hexdigest()
        stanzas.append(f"{fields}\nFilename: ./{deb.name}\nSize: {len(content)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(stanzas))
    return folder


def _service_scripts(units: Sequence[str]) -> dict[str, str]:
    names = " ".join(f"{unit}.service" for unit in units)
    return {
        "postinst": f"""
if [ "$1" = configure ]; then
  systemctl enable --quiet {names}
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl restart {names}; fi
fi""",
        "prerm": f"""
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl stop {names}; fi
if [ "$1" = remove ]; then systemctl disable --quiet {names}; fi""",
        "postrm": "if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi",
    }


def _fetch(base: str, names: Sequence[str], kept: Path) -> None:
    """Ask this machine's apt, with its settings, what a computer that is `base` would have to download."""
    root = ensure_base(base)
    with tempfile.TemporaryDirectory(prefix=f".{base}-", dir=kept.parent) as temporary:
        work = Path(temporary)
        for folder in ("lists/partial", "cache/archives/partial", "state"):
            (work / folder).mkdir(parents=True)
        (work / "sources.list").write_text(f"deb {mirror()} {BASES[base].suite} main\n")
        (work / "apt.conf").write_text(
            apt_settings()
            + f'Dir::State "{work}/state"; Dir::State::lists "{work}/lists"; Dir::Cache "{work}/cache";\n'
            + f'Dir::State::status "{root}/var/lib/dpkg/status"; Dir::Etc::sourcelist "{work}/sources.list";\n'
            + 'Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
            + 'Dir::Etc::parts "/dev/null"; APT::Sandbox::User "root"; APT::Install-Recommends "false";\n'
            + 'Acquire::Languages "none";\n'
        )
        apt = ["env", f"APT_CONFIG={work / 'apt.conf'}", "LC_ALL=C", "apt-get", "-q"]
        run([*apt, "update"])
        plan = run([*apt, "--simulate", "install", *names])
        order = [line.split()[1].split(":")[0] for line in plan.splitlines() if line.startswith("Conf ")]
        run([*apt, "install", "--yes", "--download-only", *names])
        archives = work / "cache/archives"
        found = [next(archives.glob(f"{name}_*.deb")).name for name in order]
        (archives / "order").write_text("\n".join(found))
        shutil.rmtree(archives / "partial")
        (archives / "lock").unlink(missing_ok=True)
        archives.rename(kept)
