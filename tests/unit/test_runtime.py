"""What is sent to computers: the same bytes for the same sources, kept once, put right where it was damaged."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent
from controller import runtime
from controller.errors import InputError


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
    assert first.agent == second.agent
    assert first.psutil == second.psutil
    assert (first.path(first.agent)).read_bytes() == second.path(second.agent).read_bytes()


def test_one_byte_more_is_another_agent() -> None:
    files = runtime.agent_files()
    other = {**files, "agent/lock.py": files["agent/lock.py"] + b"\n"}
    assert runtime.tree_digest(files) != runtime.tree_digest(other)
    assert runtime.pack(files) != runtime.pack(other)


def stage_functions() -> dict[str, object]:
    """The first stage's functions, without its start."""
    source = (Path(agent.__file__).parent / "stage.py").read_text(encoding="utf-8")
    squeezed = runtime.squeeze(source.encode()).decode()
    assert squeezed.rstrip().endswith("\nfirst_stage()")
    names: dict[str, object] = {}
    exec(squeezed.rstrip().removesuffix("first_stage()"), names)
    return names


def test_the_tree_is_digested_alike_on_both_sides(tmp_path: Path) -> None:
    made = runtime.prepare(tmp_path / "home")
    stage = stage_functions()
    home = tmp_path / "agent"
    stage["unpack"](str(made.path(made.agent)), str(home))  # type: ignore[operator]
    (home / "agent" / "__pycache__").mkdir()
    (home / "agent" / "__pycache__" / "x.pyc").write_bytes(b"of no account")
    assert stage["tree_digest"](str(home)) == made.tree  # type: ignore[operator]
    assert not (home / "agent" / "stage.py").exists(), "the first stage travels by itself"
    assert (home / "agent" / "host" / "linux.py").read_bytes() == (
        Path(agent.__file__).parent / "host" / "linux.py"
    ).read_bytes()


def test_any_order_of_names_is_walked_alike(tmp_path: Path) -> None:
    files = {"b.py": b"1", "a/z.py": b"2", "a/b/c.py": b"3", "a.py": b"4", "a-b/x.py": b"5", "ab.py": b""}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert stage_functions()["tree_digest"](str(tmp_path)) == runtime.tree_digest(files)  # type: ignore[operator]


def test_sizes_are_watched(tmp_path: Path) -> None:
    made = runtime.prepare(tmp_path)
    assert len(made.stage) < 4096, "the first stage travels with every contact"
    assert made.path(made.agent).stat().st_size < 200_000


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_what_was_damaged_is_made_again(tmp_path: Path, damage: bytes) -> None:
    made = runtime.prepare(tmp_path)
    for digest in (made.agent, *made.psutil.values()):
        whole = made.path(digest).read_bytes()
        made.path(digest).write_bytes(damage)
        assert runtime.prepare(tmp_path) == made
        assert made.path(digest).read_bytes() == whole
        made.path(digest).unlink()
        assert runtime.prepare(tmp_path) == made
        assert made.path(digest).read_bytes() == whole
    index = tmp_path / "runtime" / f"agent-{made.tree}.json"
    for content in (b"", b"{", b"[]", b'{"agent": 3, "psutil": []}', b'{"agent": "../../x", "psutil": {}}'):
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
        ("psutil-7.2.2-cp313-cp313t-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", []),
        ("psutil-7.2.2-cp36-abi3-macosx_11_0_arm64.whl", []),
        ("psutil-7.2.2.tar.gz", []),
        ("lain-1.0-cp36-abi3-manylinux2014_aarch64.whl", []),
        ("psutil-7.2.2-cp36-abi3-../../x.whl", []),
    ],
)
def test_a_wheels_name_says_what_it_fits(name: str, platforms: list[str]) -> None:
    assert runtime.platforms_of(name) == platforms


def wheel(folder: Path, name: str, *, inside: str = "psutil/__init__.py") -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(inside, "")
    path = folder / name
    path.write_bytes(buffer.getvalue())
    return path


ARM = "psutil-7.2.2-cp36-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"


def test_a_wheel_for_another_platform_goes_with_the_rest(tmp_path: Path) -> None:
    platforms, digest = runtime.add_wheel(tmp_path, wheel(tmp_path, ARM))
    made = runtime.prepare(tmp_path)
    assert platforms == ["linux-aarch64-glibc"]
    assert made.psutil["linux-aarch64-glibc"] == digest
    assert made.owns(digest)
    assert made.path(digest).read_bytes() == (tmp_path / ARM).read_bytes()
    made.path(digest).write_bytes(b"damaged")
    assert "linux-aarch64-glibc" not in runtime.prepare(tmp_path).psutil, "what is damaged is not sent"
    runtime.add_wheel(tmp_path, tmp_path / ARM)
    assert runtime.prepare(tmp_path).psutil["linux-aarch64-glibc"] == digest


def test_what_is_no_wheel_of_psutil_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no wheel"):
        runtime.add_wheel(tmp_path, wheel(tmp_path, "lain-1-py3-none-any.whl"))
    with pytest.raises(InputError, match="damaged"):
        runtime.add_wheel(tmp_path, wheel(tmp_path, ARM, inside="lain/__init__.py"))
    (tmp_path / ARM).write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="cannot be read"):
        runtime.add_wheel(tmp_path, tmp_path / ARM)
    with pytest.raises(InputError, match="cannot be read"):
        runtime.add_wheel(tmp_path, tmp_path / "tiada" / ARM)
    assert not (tmp_path / "runtime" / "added.json").exists()


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "berkas").write_text("")
    with pytest.raises(InputError, match="cannot be written") as caught:
        runtime.prepare(tmp_path / "berkas")
    assert "PASANG_HOME" in caught.value.say("id")
