"""What is sent to computers: the same bytes for the same sources, kept once, put right where it was damaged."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent
from controller import runtime, supplies
from controller.errors import InputError


def digests(made: runtime.Runtime) -> set[str]:
    """Of everything that was made."""
    return {digest for agent_ in made.agents.values() for digest in agent_.digests}.union(made.psutil.values())


@pytest.fixture
def mask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, mask: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runtime.prepare(tmp_path / "a")
    moved = tmp_path / "sources" / "agent"
    base = Path(agent.__file__).parent
    for path in base.rglob("*.py"):
        copy = moved / path.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1e9, 1e9))
    monkeypatch.setattr(agent, "__file__", str(moved / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    os.umask(0o077)
    second = runtime.prepare(tmp_path / "b")
    assert first.agents == second.agents
    assert first.psutil == second.psutil
    for made in first.agents.values():
        assert first.path(made.archive).read_bytes() == second.path(made.archive).read_bytes()


def test_another_byte_of_the_same_size_and_date_is_another_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "agent"
    shutil.copytree(Path(agent.__file__).parent, moved, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(agent, "__file__", str(moved / "__init__.py"))
    before, mark = runtime.prepare(tmp_path / "home"), runtime.sources_mark()
    changed = moved / "windows" / "services.py"
    assert changed.is_file()
    dated = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-2] + b" \n")
    os.utime(changed, ns=(dated.st_atime_ns, dated.st_mtime_ns))
    assert changed.stat().st_size == dated.st_size
    assert runtime.sources_mark() != mark
    after = runtime.prepare(tmp_path / "home")
    assert after.agents["linux"].archive == before.agents["linux"].archive, "not sent again where it is the same"
    assert after.agents["windows"].archive != before.agents["windows"].archive


def stage_functions() -> dict[str, object]:
    """The first stage's functions, without its start."""
    source = (Path(agent.__file__).parent / "stage.py").read_text(encoding="utf-8")
    squeezed = runtime.squeeze(source.encode()).decode()
    assert squeezed.rstrip().endswith("\nfirst_stage()")
    names: dict[str, object] = {}
    exec(squeezed.rstrip().removesuffix("first_stage()"), names)
    return names


def test_the_agent_is_made_on_both_sides(tmp_path: Path) -> None:
    """Compiled here, or by the first stage out of sources: it says itself whether it is whole, and Python runs it."""
    made = runtime.prepare(tmp_path / "home")
    stage = stage_functions()
    agent_ = made.agents["linux"]
    (compiled,) = agent_.compiled.values()
    for name, digest in (("sources", agent_.archive), ("compiled", compiled)):
        path = tmp_path / name / "agent.pyc"
        stage["make"](str(made.path(digest)), str(path), digest == agent_.archive)  # type: ignore[operator]
        assert stage["whole"](str(path)), "what was made is whole"  # type: ignore[operator]
        ran = subprocess.run([sys.executable, "-I", "-S", path], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (2, "usage: run | boot FOLDER\n")
        data = path.read_bytes()
        for damaged in (b"", data[:16], data[:-1], data[:900] + b"?" + data[901:]):
            path.write_bytes(damaged)
            assert not stage["whole"](str(path))  # type: ignore[operator]


def test_where_no_python_can_be_started_it_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = runtime.prepare(tmp_path / "a")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "tiada"))
    other = runtime.prepare(tmp_path / "b")
    for system, agent_ in made.agents.items():
        assert other.agents[system].compiled.keys() == agent_.compiled.keys()
        assert other.agents[system].archive == agent_.archive


def test_what_was_made_for_other_versions_goes_in_time(tmp_path: Path) -> None:
    made = runtime.prepare(tmp_path)
    folder = tmp_path / "runtime"
    (folder / ("0" * 64)).write_text("an agent of long ago")
    (folder / "agent-old.json").write_text(json.dumps({"agent": "0" * 64, "compiled": {}, "psutil": {}}))
    runtime.drop_old(folder)
    assert (folder / ("0" * 64)).exists()
    for path in folder.iterdir():
        if path.name not in digests(made):
            os.utime(path, (1e9, 1e9))
    (folder / next(p.name for p in folder.glob("agent-*.json") if p.name != "agent-old.json")).touch()
    runtime.drop_old(folder)
    assert not (folder / ("0" * 64)).exists()
    assert not (folder / "agent-old.json").exists()
    assert runtime.prepare(tmp_path) == made


def asked_of(source: bytes, system: str) -> Iterator[tuple[str, bool]]:
    """The agent's modules that a module imports, by path without ending; and whether when it is loaded itself."""
    tree = ast.parse(source)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    seam = {node.name for node in ast.parse(runtime.agent_files()["agent/host/__init__.py"]).body
            if isinstance(node, ast.FunctionDef)}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in for_types or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        package = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        names = [f"{package}.{alias.name}".lstrip(".") for alias in node.names]
        for name in names if package in ("", "agent", "agent.host", "agent.windows") else [package]:
            if name.startswith("agent.") and name not in {f"agent.host.{function}" for function in seam}:
                where = name.replace("agent.host.", "agent.windows.") if system == "windows" else name
                yield where.replace(".", "/"), node.col_offset == 0


@pytest.mark.parametrize("system", sorted(runtime.ONLY))
def test_whatever_the_agent_asks_for_is_sent_with_it(system: str) -> None:
    """What only another system has may be asked for on the way, by what is never done here, and not at the start."""
    sent = runtime.agent_files(system)
    elsewhere = tuple(path for other, paths in runtime.ONLY.items() if other != system for path in paths)
    for file, data in sent.items():
        if file in runtime.ALL_THE_SAME:
            continue  # which chooses
        for path, is_at_once in asked_of(data, system):
            known = {f"{path}.py", f"{path}/__init__.py"} & set(sent)
            names = (f"{path}.py", f"{path}/", path.replace("/windows/", "/host/"))
            is_others = any(name.startswith(elsewhere) for name in names)
            assert known or (is_others and not is_at_once), f"{file} asks for {path}"


def test_sizes_are_watched(tmp_path: Path) -> None:
    assert runtime.prepare(tmp_path).agents["windows"].compiled == {}, "nobody has a Python for it"
    (tmp_path / "runtime/added.json").write_text(json.dumps({"python:windows-x86_64": "0" * 64}))
    made = runtime.prepare(tmp_path)
    assert all(agent_.compiled for agent_ in made.agents.values())
    watched = {"linux": (3950, 235_000, 280_000), "windows": (5500, 290_000, 335_000)}
    for system, (stage_bytes, archive_bytes, compiled_bytes) in watched.items():
        agent_ = made.agents[system]
        assert len(agent_.stage) < stage_bytes, "the first stage travels with every contact"
        assert made.path(agent_.archive).stat().st_size < archive_bytes
        assert all(made.path(digest).stat().st_size < compiled_bytes for digest in agent_.compiled.values())


def test_windows_stage_has_its_own_functions_in_the_place_of_some() -> None:
    linux, windows = (runtime.stage_for(system).decode() for system in ("linux", "windows"))
    for stage, own in ((linux, "/var/lib/pasang"), (windows, "PROGRAMDATA")):
        names = [node.name for node in ast.parse(stage).body if isinstance(node, ast.FunctionDef)]
        assert sorted(names) == sorted({*names}), "none is there twice"
        assert {"home", "ready", "platform", "first_stage"} <= set(names)
        assert own in stage
    assert "/var/lib" not in windows
    assert "geteuid" not in windows


def test_what_only_another_system_needs_is_not_sent() -> None:
    linux, windows = (runtime.agent_files(system) for system in ("linux", "windows"))
    assert not any(path.startswith(("agent/windows/", "agent/codes/")) for path in linux)
    assert "agent/codes/msiexec.py" in windows
    assert not any(path.startswith("agent/debian/") for path in windows)
    assert "agent/host/__init__.py" in linux.keys() & windows.keys()


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_what_was_damaged_is_made_again(tmp_path: Path, damage: bytes) -> None:
    made = runtime.prepare(tmp_path)
    for digest in digests(made):
        whole = made.path(digest).read_bytes()
        made.path(digest).write_bytes(damage)
        assert runtime.prepare(tmp_path) == made
        assert made.path(digest).read_bytes() == whole
        made.path(digest).unlink()
        assert runtime.prepare(tmp_path) == made
        assert made.path(digest).read_bytes() == whole
    index = tmp_path / "runtime" / f"agent-{runtime.sources_mark()}.json"
    for content in (
        b"",
        b"{",
        b"[]",
        b'{"agents": 3, "psutil": []}',
        b'{"agents": {"linux": 3, "windows": {}}, "psutil": {}}',
    ):
        index.write_bytes(content)
        assert runtime.prepare(tmp_path) == made


@pytest.mark.parametrize(
    ("name", "platforms"),
    [
        (
            "psutil-7.2.2-cp36-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.manylinux_2_28_aarch64.whl",
            ["linux-aarch64-glibc"],
        ),
        ("psutil-7.2.2-cp36-abi3-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", ["linux-x86_64-glibc"]),
        ("psutil-7.2.2-cp36-abi3-musllinux_1_2_x86_64.whl", ["linux-x86_64-other"]),
        ("psutil-7.2.2-cp37-abi3-win_amd64.whl", ["windows-x86_64"]),
        ("psutil-7.2.2-cp37-abi3-win_arm64.whl", ["windows-aarch64"]),
        ("psutil-7.2.2-cp37-abi3-win32.whl", ["windows-x86"]),
        ("psutil-7.2.2-cp313-cp313t-win_amd64.whl", []),
        ("psutil-7.2.2-cp313-cp313t-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", []),
        ("psutil-7.2.2-cp36-abi3-macosx_11_0_arm64.whl", []),
        ("psutil-7.2.2.tar.gz", []),
        ("lain-1.0-cp36-abi3-manylinux2014_aarch64.whl", []),
        ("psutil-7.2.2-cp36-abi3-../../x.whl", []),
    ],
)
def test_a_wheels_name_says_what_it_fits(name: str, platforms: list[str]) -> None:
    assert supplies.platforms_of(name) == platforms


def wheel(folder: Path, name: str, *, inside: str = "psutil/__init__.py") -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(inside, "")
        archive.writestr("psutil-7.2.2.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("psutil-7.2.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: psutil\nVersion: 7.2.2\n")
    path = folder / name
    path.write_bytes(buffer.getvalue())
    return path


ARM = "psutil-7.2.2-cp36-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"


def test_a_wheel_for_another_platform_goes_with_the_rest(tmp_path: Path) -> None:
    platforms, digest = supplies.add_wheel(tmp_path, wheel(tmp_path, ARM))
    made = runtime.prepare(tmp_path)
    assert platforms == ["linux-aarch64-glibc"]
    assert made.psutil["linux-aarch64-glibc"] == digest
    assert made.owns(digest)
    assert made.path(digest).read_bytes() == (tmp_path / ARM).read_bytes()
    made.path(digest).write_bytes(b"damaged")
    assert "linux-aarch64-glibc" not in runtime.prepare(tmp_path).psutil, "what is damaged is not sent"
    supplies.add_wheel(tmp_path, tmp_path / ARM)
    assert runtime.prepare(tmp_path).psutil["linux-aarch64-glibc"] == digest


def test_a_wheel_that_is_not_given_is_fetched_and_is_the_one_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the index that pip is set up for; here a folder, with a wheel of another content first."""
    name = "psutil-7.2.2-cp37-abi3-win_amd64.whl"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError, match="could not be fetched"):
        supplies.fetch_wheel(tmp_path, "windows-x86_64")
    wheel(tmp_path, name)
    with pytest.raises(InputError, match="could not be fetched"):
        supplies.fetch_wheel(tmp_path, "windows-x86_64")
    with pytest.raises(InputError, match="no wheel of psutil for it"):
        supplies.fetch_wheel(tmp_path, "windows-x86")
    assert not (tmp_path / "runtime" / "added.json").exists()
    genuine = (tmp_path / name).read_bytes()
    digest = hashlib.sha256(genuine).hexdigest()
    monkeypatch.setitem(supplies.INDEX, "windows-x86_64", ("win_amd64", digest))
    assert supplies.fetch_wheel(tmp_path, "windows-x86_64") == (["windows-x86_64"], digest)
    assert runtime.prepare(tmp_path).path(digest).read_bytes() == genuine


def test_the_wheels_of_the_index_are_those_of_the_lock() -> None:
    lock = (Path(runtime.__file__).parents[1] / "requirements.lock").read_text("utf-8")
    (locked,) = re.findall(rf"(?ms)^psutil=={supplies.PSUTIL} .*?(?=^\S)", lock)
    assert all(digest in locked for _, digest in supplies.INDEX.values()), "change them with the lock"


def test_what_is_no_wheel_of_psutil_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no wheel"):
        supplies.add_wheel(tmp_path, wheel(tmp_path, "lain-1-py3-none-any.whl"))
    with pytest.raises(InputError, match="damaged"):
        supplies.add_wheel(tmp_path, wheel(tmp_path, ARM, inside="lain/__init__.py"))
    (tmp_path / ARM).write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="cannot be read"):
        supplies.add_wheel(tmp_path, tmp_path / ARM)
    with pytest.raises(InputError, match="cannot be read"):
        supplies.add_wheel(tmp_path, tmp_path / "tiada" / ARM)
    assert not (tmp_path / "runtime" / "added.json").exists()


LINUX = "cpython-3.12.7+20241016-{}-unknown-linux-{}-install_only{}.tar.gz"


def python(folder: Path, name: str, *, inside: str = "python/bin/python3") -> Path:
    with tarfile.open(folder / name, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(inside))
    return folder / name


@pytest.mark.parametrize(("machine", "libc", "rest", "platform"), [
    ("x86_64", "gnu", "", "linux-x86_64-glibc"), ("x86_64", "gnu", "_stripped", "linux-x86_64-glibc"),
    ("x86_64", "musl", "", "linux-x86_64-other"), ("aarch64", "gnu", "", "linux-aarch64-glibc"),
    ("armv7", "gnueabihf", "", "linux-armv7l-glibc"),
])  # fmt: skip
def test_a_python_for_computers_without_one(tmp_path: Path, machine: str, libc: str, rest: str, platform: str) -> None:
    file = python(tmp_path, LINUX.format(machine, libc, rest))
    platforms, digest = supplies.add_python(tmp_path, file)
    assert platforms == [platform]
    made = runtime.prepare(tmp_path)
    assert made.python == {platform: digest}
    assert digest not in made.psutil.values()
    assert made.path(digest).read_bytes() == file.read_bytes()
    assert runtime.is_whole(made.path(digest))


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    name = LINUX.format("x86_64", "gnu", "")
    for wrong in (
        "python-3.12.tar.gz",
        LINUX.format("x86_64_v3", "gnu", ""),
        "cpython-3.12.7+20241016-x86_64-apple-darwin-install_only.tar.gz",
    ):
        with pytest.raises(InputError, match="no Python"):
            supplies.add_python(tmp_path, python(tmp_path, wrong))
    for inside in ("python/bin/python2", "lain/bin/python3", "python/../../etc/passwd"):
        with pytest.raises(InputError, match="no python/bin/python3"):
            supplies.add_python(tmp_path, python(tmp_path, name, inside=inside))
    whole = python(tmp_path, name).read_bytes()
    for data in (b"", b"no archive", whole[:-9]):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="cannot be read"):
            supplies.add_python(tmp_path, tmp_path / name)
    assert not (tmp_path / "runtime" / "added.json").exists()


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "berkas").write_text("")
    with pytest.raises(InputError, match="cannot be written") as caught:
        runtime.prepare(tmp_path / "berkas")
    assert "PASANG_HOME" in caught.value.say("id")
