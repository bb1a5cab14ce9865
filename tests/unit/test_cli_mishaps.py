"""What ends a command otherwise than by its result."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from controller.cli import mishaps
from controller.errors import InputError
from controller.text import Text


def test_a_mistake_of_our_own_is_told_briefly_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASANG_HOME", str(tmp_path))

    def divide() -> None:
        raise ZeroDivisionError("postgresql://pasang:rahasia-sekali@db/x password=juga-rahasia")

    with pytest.raises(ZeroDivisionError) as caught:
        divide()
    assert mishaps.tell(caught.value, "id", as_json=False) == 70
    assert mishaps.tell(caught.value, "en", as_json=True) == 70
    said = capsys.readouterr().err
    assert "maaf" in said
    assert "sorry" in said
    assert "Traceback" not in said
    kept = list(tmp_path.glob("crash-*.txt"))
    assert len(kept) == 2, "each mistake keeps its own file"
    for file in kept:
        assert str(file) in said
        assert "Traceback" in file.read_text()
        assert "rahasia" not in said + file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_exit_3_wherever_it_was_met(number: int) -> None:
    full = OSError(number, os.strerror(number), "/data/pasang/runtime")
    caused = InputError(Text("tidak dapat ditulis", "cannot be written"))
    caused.__cause__ = full
    for error in (full, caused):
        for language in ("id", "en"):
            code, sentence = mishaps.explained(error, language)  # type: ignore[arg-type]
            assert code == 3
            assert sentence.startswith("pasang: ")
    assert "/data/pasang/runtime" in mishaps.explained(full, "en")[1]
    assert "→" in mishaps.explained(full, "id")[1]
    assert mishaps.explained(OSError(errno.EACCES, "no"), "en")[0] != 3
