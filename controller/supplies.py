"""What whoever keeps the controller adds: psutil's wheel for a platform, a Python for computers without one.

A wheel that is not given is fetched from the package index, in one version, whose digests are known here. Everything is
kept by digest beside the agent, and under what it is for in ``added.json``.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from controller import embedded
from controller.errors import InputError
from controller.runtime import PYTHON, added, keep, write
from controller.text import Text

STANDALONE = (
    r"cpython-3\.\d+\.\d+\+\d+-(?P<machine>x86_64|aarch64|armv7|ppc64le|s390x)-unknown-linux-"
    r"(?P<libc>gnu|musl)(?:eabi|eabihf)?-install_only(?:_stripped)?\.tar\.gz"
)
"""Not those for newer processors alone (``x86_64_v3``). Source: python-build-standalone's own names, https://gregoryszorc.com/docs/python-build-standalone/main/running.html."""
WINDOWS = {"win_amd64": "windows-x86_64", "win_arm64": "windows-aarch64", "win32": "windows-x86"}
"""By the platform of a wheel. Source: PEP 425, sysconfig.get_platform()."""

PSUTIL = "7.2.2"
INDEX = {
    "linux-x86_64-glibc": ("manylinux2014_x86_64", "076a2d2f923fd4821644f5ba89f059523da90dc9014e85f8e45a5774ca5bc6f9"),
    "linux-aarch64-glibc": (
        "manylinux2014_aarch64",
        "b0726cecd84f9474419d67252add4ac0cd9811b04d61123054b9fb6f57df6e9e",
    ),
    "linux-x86_64-other": ("musllinux_1_2_x86_64", "b58fabe35e80b264a4e3bb23e6b96f9e45a3df7fb7eed419ac0e5947c61e47cc"),
    "linux-aarch64-other": (
        "musllinux_1_2_aarch64",
        "fd04ef36b4a6d599bbdb225dd1d3f51e00105f6d48a28f006da7f9822f2606d8",
    ),
    "windows-x86_64": ("win_amd64", "eb7e81434c8d223ec4a219b5fc1c47d0417b12be7ea866e24fb5ad6e84b3d988"),
    "windows-aarch64": ("win_arm64", "8c233660f575a5a89e6d4cb65d9f938126312bca76d8fe087b947b3a1aaac9ee"),
}
"""By platform, what pip calls it and the wheel's SHA-256. Source: https://pypi.org/project/psutil/7.2.2/#files."""
FETCH_S = 60


def fetch_wheel(home: Path, platform: str) -> tuple[list[str], str]:
    """Fetch psutil's wheel for a platform from the package index that pip is set up for, and keep it.

    Args:
        home: ``PASANG_HOME``.
        platform: as ``INDEX`` has it.

    Returns:
        As ``add_wheel``.

    Raises:
        InputError: there is none for it, the index is out of reach, or what came is not what is known here.
    """
    by_hand = Text(
        "tanpa itu agen tetap bekerja; sebagian persyaratan menjawab “tidak dapat diketahui”. Ambil wheel psutil "
        "(…-abi3-….whl) di tempat lain, lalu `pasang runtime add FILE`",
        "the agent works without it, and answers “could not tell” to some requirements. Take psutil's wheel "
        "(…-abi3-….whl) elsewhere, then `pasang runtime add FILE`",
    )
    if platform not in INDEX:
        raise InputError(
            Text("indeks paket tidak punya wheel psutil untuk ini", "the package index has no wheel of psutil for it"),
            where=platform,
            hint=by_hand,
        )
    tag, digest = INDEX[platform]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(f"psutil=={PSUTIL} --hash=sha256:{digest}\n")
        pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--timeout", "10", "--retries", "1"]
        ask = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", folder]
        fits = ["--platform", tag, "--implementation", "cp", "--abi", "abi3", "--python-version", "3.8"]
        try:
            done = subprocess.run(
                [*pip, *ask, *fits, "-r", wanted], capture_output=True, text=True, timeout=FETCH_S, check=False
            )
            said = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
        files = list(Path(folder).glob("*.whl"))
        if not files:
            why = said[0][:200] if said else "pip"
            raise InputError(
                Text(
                    f"wheel psutil tidak dapat diambil dari indeks paket ({why})",
                    f"psutil's wheel could not be fetched from the package index ({why})",
                ),
                where=platform,
                hint=by_hand,
            )
        return add_wheel(home, files[0])


def add_wheel(home: Path, file: Path) -> tuple[list[str], str]:
    """Keep psutil's wheel for computers of another platform.

    Args:
        home: ``PASANG_HOME``.
        file: the wheel under the name that the package index gives it: it says what it fits.

    Returns:
        The platforms it is for now, and its SHA-256.

    Raises:
        InputError: it is not a wheel of psutil that one file serves every Python with.
    """
    import zipfile

    platforms = platforms_of(file.name)
    if not platforms:
        raise InputError(
            Text("ini bukan wheel psutil yang dapat dipakai", "this is no wheel of psutil that can be used"),
            where=str(file),
            hint=Text(
                "ambil psutil-…-abi3-manylinux….whl atau …-win_amd64.whl dari indeks paket, dengan namanya yang asli",
                "take psutil-…-abi3-manylinux….whl or …-win_amd64.whl from the package index, under the name it has "
                "there",
            ),
        )
    try:
        data = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            is_good = wheel.testzip() is None and "psutil/__init__.py" in wheel.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise unreadable(file, error) from error
    if not is_good:
        raise InputError(Text("isi wheel ini rusak", "this wheel is damaged"), where=str(file))
    return platforms, remember(home, data, platforms)


def add_python(home: Path, file: Path) -> tuple[list[str], str]:
    """Keep a Python for computers that have none.

    Args:
        home: ``PASANG_HOME``.
        file: for Linux a standalone build that needs nothing of the computer but its C library, for Windows the
            embeddable package, under the name it was published by:
            ``cpython-3.12.7+20241016-x86_64-unknown-linux-gnu-install_only.tar.gz``, ``python-3.11.9-embed-amd64.zip``.

    Returns:
        The platforms it is for now, and its SHA-256.

    Raises:
        InputError: it is none, or is damaged.
    """
    found = re.fullmatch(STANDALONE, file.name)
    if not found and (named := re.fullmatch(embedded.NAME, file.name)):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise unreadable(file, error) from error
        platform = embedded.check(data, named, where=str(file))
        return [platform], remember(home, data, [PYTHON + platform])
    if not found:
        raise InputError(
            Text("ini bukan Python yang dapat dibawakan", "this is no Python that can be brought to a computer"),
            where=str(file),
            hint=Text(
                "untuk Windows python-3.…-embed-amd64.zip dari python.org; untuk Linux cpython-…-unknown-linux-…-"
                "install_only.tar.gz dari python-build-standalone; dengan nama aslinya",
                "for Windows python-3.…-embed-amd64.zip of python.org; for Linux cpython-…-unknown-linux-…-"
                "install_only.tar.gz of python-build-standalone; under its own name",
            ),
        )
    try:
        data = file.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)), mode="r:") as archive:
            members = archive.getmembers()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise unreadable(file, error) from error
    names = {member.name for member in members}
    strange = [name for name in names if name.split("/")[0] != "python" or ".." in name.split("/")]
    if strange or "python/bin/python3" not in names:
        raise InputError(
            Text(
                "di dalamnya tidak ada python/bin/python3, atau ada yang lain",
                "there is no python/bin/python3 in it, or more than that",
            ),
            where=str(file),
        )
    machine = {"armv7": "armv7l"}.get(found["machine"], found["machine"])  # as uname has it
    platform = f"linux-{machine}-{'glibc' if found['libc'] == 'gnu' else 'other'}"
    return [platform], remember(home, data, [PYTHON + platform])


def unreadable(file: Path, error: Exception) -> InputError:
    """The mistake of a file that was to be added and is damaged, or not there."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else error
    what = Text(f"berkas ini tidak dapat dibaca: {why}", f"this file cannot be read: {why}")
    return InputError(what, where=str(file))


def remember(home: Path, data: bytes, names: list[str]) -> str:
    """Keep a file that was added by hand, and under which names; its SHA-256."""
    folder = home / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    digest = keep(folder, data)
    write(folder / "added.json", json.dumps({**added(folder), **dict.fromkeys(names, digest)}).encode())
    return digest


def platforms_of(name: str) -> list[str]:
    """The platforms, as the first stage names them, that a wheel of psutil fits by its name; none where it does not.

    Source: PEP 427 (file names), PEP 600 (manylinux), PEP 656 (musllinux); abi3 is Python's stable ABI.
    """
    found = re.fullmatch(r"psutil-[^-]+-cp3\d+-abi3-(?P<platforms>[\w.]+)\.whl", name)
    kinds = {"manylinux": "glibc", "musllinux": "other"}
    tags = found["platforms"].split(".") if found else []
    windows = {WINDOWS[tag] for tag in tags if tag in WINDOWS}
    parts = [re.fullmatch(r"(manylinux|musllinux)(?:\d+|_\d+_\d+)_(\w+)", tag) for tag in tags]
    return sorted({f"linux-{part[2]}-{kinds[part[1]]}" for part in parts if part} | windows)
