"""Windows programs made from Debian's own sources: curl.exe and tar.exe, which every Windows since 2018 has."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bases import cache_folder, locked, mirror, run

_HOST = "x86_64-w64-mingw32"
_COMPILER = f"{_HOST}-gcc"
_PACKAGES = {
    _COMPILER: "gcc-mingw-w64-x86-64-win32",
    f"/usr/{_HOST}/include/zlib.h": "libz-mingw-w64-dev",
    "make": "make",
    "cmake": "cmake",
    "dpkg-source": "dpkg-dev",
}
SUITE = "bookworm"


@dataclass(frozen=True)
class Source:
    """A program and how it is made.

    Attributes:
        name: of the program in system32.
        package: Debian's source package.
        steps: shell lines, run beside the unpacked source `$SOURCE`.
        made: where the program then is.
    """

    name: str
    package: str
    steps: str
    made: str

    @property
    def key(self) -> str:
        """Changes whenever the recipe changes."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


# Schannel for TLS, as Microsoft's own curl has. LDAP, SSH and HTTP/2 are left out: nothing here speaks them.
CURL = Source(
    "curl.exe",
    "curl",
    f"""
cmake -S "$SOURCE" -B . -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=x86_64 -DCMAKE_BUILD_TYPE=Release \\
  -DCMAKE_C_COMPILER={_COMPILER} -DCMAKE_RC_COMPILER={_HOST}-windres -DCMAKE_FIND_ROOT_PATH=/usr/{_HOST} \\
  -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \\
  -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY \\
  -DCMAKE_EXE_LINKER_FLAGS=-static -DBUILD_SHARED_LIBS=OFF -DCURL_USE_SCHANNEL=ON -DCURL_ZLIB=OFF \\
  -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF -DCURL_USE_LIBSSH2=OFF -DUSE_NGHTTP2=OFF -DCURL_USE_LIBPSL=OFF \\
  -DCURL_DISABLE_LDAP=ON -DUSE_WIN32_LDAP=OFF
make -j2 curl
""",
    "src/curl.exe",
)
# With zlib alone, as Windows' own had until 2024. (Its cmake files make Debian 12's cmake crash.)
TAR = Source(
    "tar.exe",
    "libarchive",
    f"""
"$SOURCE"/configure --host={_HOST} --disable-shared --enable-static --enable-bsdtar=static --disable-bsdcpio \\
  --disable-bsdcat --without-openssl --without-xml2 --without-expat --without-iconv --without-bz2lib --without-lzma \\
  --without-lz4 --without-zstd --disable-acl --disable-xattr --disable-dependency-tracking \\
  --disable-maintainer-mode CFLAGS=-O2 LDFLAGS=-static
make -j2 bsdtar.exe
""",
    "bsdtar.exe",
)
SOURCES = (CURL, TAR)


def ensure_packages(needed: Mapping[str, str]) -> None:
    """Install Debian's packages where the file or command that stands for each is missing."""
    missing = sorted({name for what, name in needed.items() if shutil.which(what) is None and not Path(what).exists()})
    if not missing:
        return
    argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    with locked(cache_folder() / "tools.lock"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(argv, env=environment, capture_output=True).returncode != 0:
            run(["apt-get", "update", "-q"])
            subprocess.run(argv, env=environment, check=True, capture_output=True)


def ensure_compilers() -> None:
    """Install what makes Windows programs here, where it is missing."""
    ensure_packages(_PACKAGES)


def ensure_program(source: Source) -> Path:
    """Return the program, made first where it is not kept yet (some minutes)."""
    kept = cache_folder() / "programs" / source.key / source.name
    with locked(cache_folder() / "programs" / f"{source.package}.lock"):
        if not kept.exists():
            ensure_compilers()
            _make(source, kept)
    return kept


def compile_c(source: Path, program: Path, *options: str) -> None:
    """Make a Windows program of one file."""
    run([_COMPILER, "-O2", "-s", "-Wall", "-Werror", "-static", "-o", str(program), str(source), *options])


def fetch_source(package: str, folder: Path) -> Path:
    """Fetch and unpack a source package of Debian, with Debian's patches; return the folder with the source."""
    _fetch(package, folder)
    (description,) = folder.glob("*.dsc")
    _run_in(folder, ["dpkg-source", "--extract", "--no-check", description.name, "source"])
    return folder / "source"


def fetch_orig(package: str, folder: Path) -> Path:
    """Fetch a source package of Debian; return the archive as its authors published it."""
    _fetch(package, folder)
    (archive,) = (path for path in folder.glob("*.orig.tar.*") if path.suffix != ".asc")
    return archive


def _fetch(package: str, folder: Path) -> None:
    """The machine's apt need not know any sources: it is given a list of its own, for this once."""
    rows = f"Types: deb-src\nURIs: {mirror()}\nSuites: {SUITE}\nComponents: main\n"
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "debian.sources").write_text(rows + "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")
    apart = ["-o", f"Dir::Etc::sourcelist={folder}/debian.sources", "-o", "Dir::Etc::sourceparts=-"]
    apart += ["-o", f"Dir::State::lists={folder}/lists", "-o", "APT::Sandbox::User=root"]
    _run_in(folder, ["apt-get", *apart, "update", "-q"])
    _run_in(folder, ["apt-get", *apart, "source", "--download-only", "-q", package])


def _make(source: Source, kept: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pasang-lab-") as place:
        folder = Path(place)
        unpacked = fetch_source(source.package, folder)
        (folder / "made").mkdir()
        script = f"SOURCE='{unpacked}'\n{source.steps}"
        _run_in(folder / "made", ["nice", "-n", "10", "sh", "-euc", script])
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".new")
        shutil.copyfile(folder / "made" / source.made, temporary)
        temporary.rename(kept)


def _run_in(folder: Path, argv: list[str]) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[:4]} failed: {(done.stdout + done.stderr)[-2000:]}")
