"""What a program answers: its exit code and what it writes. By argv; no shell."""

from __future__ import annotations

from agent.probes import Answer
from agent.probes.patterns import PatternTrouble, search, short
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.program import Result

PATIENCE_S = 30.0


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    line = short(" ".join(spec["argv"]))
    return text(f"Perintah {line} berhasil", f"Command {line} succeeds")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Run it once; after ``timeout_s`` it and all it started are stopped."""
    codes = codes_of(spec.get("exit_code"))
    needed = needed_of(spec, codes)
    timeout_s = float(spec.get("timeout_s") or PATIENCE_S)
    try:
        result = host.run(
            spec["argv"], timeout_s=timeout_s, environment=spec.get("environment"), directory=spec.get("directory")
        )
    except OSError as error:
        reason = text(
            f"{spec['argv'][0]} tidak dapat dijalankan: {error.strerror}",
            f"{spec['argv'][0]} cannot be started: {error.strerror}",
        )
        return Answer("failed", needed=needed, found=str(error.strerror), reason=reason)
    found = found_of(result)
    if result.code is None:
        reason = text(
            f"belum selesai setelah {timeout_s:g} detik, dihentikan", f"not over after {timeout_s:g} s; stopped"
        )
        return Answer("failed", needed=needed, found=found, reason=reason)
    if result.code not in codes:
        return Answer("failed", needed=needed, found=found, reason=wrong_code(result))
    try:
        reason_or_none = output_reason(spec, result)
    except PatternTrouble as trouble:
        return Answer("unknown", needed=needed, found=found, reason=trouble.reason, final=True)
    if reason_or_none is not None:
        return Answer("failed", needed=needed, found=found, reason=reason_or_none)
    return Answer("passed", needed=needed, found=found)


def output_reason(spec: dict[str, Any], result: Result) -> dict[str, str] | None:
    """Why what it wrote is not what was asked; None where it is."""
    for word, where, content in (("stdout_matches", "stdout", result.out), ("stderr_matches", "stderr", result.err)):
        pattern = spec.get(word)
        if pattern is not None and search(pattern, content) is None:
            return text(f"{where} tidak cocok dengan {short(pattern)}", f"{where} does not match {short(pattern)}")
    wanted = spec.get("contains")
    if wanted is not None and wanted not in result.out and wanted not in result.err:
        return text(f"keluarannya tidak memuat {short(wanted)}", f"its output does not contain {short(wanted)}")
    return None


def wrong_code(result: Result) -> dict[str, str]:
    """Why an exit code is not right, with the last of what it said."""
    code = result.code if result.code is not None else 0
    said = (result.err.strip() or result.out.strip()).rsplit("\n", 1)[-1]
    tail = f": {short(said, 160)}" if said else ""
    if code < 0:
        return text(f"dihentikan sinyal {-code}{tail}", f"ended by signal {-code}{tail}")
    return text(f"kode keluar {code}{tail}", f"exit code {code}{tail}")


def codes_of(wanted: Any) -> list[int]:
    """The exit codes that are right: 0 where none are named."""
    if wanted is None:
        return [0]
    return [int(one) for one in wanted] if isinstance(wanted, (list, tuple)) else [int(wanted)]


def needed_of(spec: dict[str, Any], codes: list[int]) -> str:
    """What is asked, as a short line."""
    parts = ["exit " + " | ".join(str(code) for code in codes)]
    parts += [
        short(spec[word], 40) for word in ("stdout_matches", "stderr_matches", "contains") if spec.get(word) is not None
    ]
    return ", ".join(parts)


def found_of(result: Result) -> str:
    """How it ended, as a short line, with the last line that it wrote."""
    said = (result.out.strip() or result.err.strip()).rsplit("\n", 1)[-1]
    ended = f"exit {result.code}" if result.code is not None else f"> {result.seconds:.1f} s"
    return ended + (f", {short(said)}" if said else "")
