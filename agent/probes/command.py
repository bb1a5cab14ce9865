"""What a program answers: its exit code and what it writes. By argv; no shell."""

from __future__ import annotations

from agent.probes import Answer, judged
from agent.probes.patterns import search, short
from agent.protocol import text
from agent.words import comma, line, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.program import Result
    from agent.words import Words

PATIENCE_S = 30.0


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    line = short(" ".join(spec["argv"]))
    return text(f"Perintah {line} berhasil", f"Command {line} succeeds")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Run it once; after ``timeout_s`` it and all it started are stopped."""
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
        return Answer("failed", found=str(error.strerror), reason=reason)
    if result.code is None:
        reason = text(
            f"belum selesai setelah {comma(f'{timeout_s:g}')} detik, dihentikan",
            f"not over after {timeout_s:g} s; stopped",
        )
        return Answer("failed", found=found_of(result), reason=reason)
    is_right = result.code in codes_of(spec.get("exit_code"))
    return judged(found_of(result), output_reason(spec, result) if is_right else wrong_code(result))


def output_reason(spec: dict[str, Any], result: Result) -> dict[str, str] | None:
    """Why what it wrote is not what was asked; None where it is."""
    for word, where, content in (("stdout_matches", "stdout", result.out), ("stderr_matches", "stderr", result.err)):
        pattern = spec.get(word)
        if pattern is not None and search(pattern, content) is None:
            shown = result.secrets.short(pattern)
            return text(f"{where} tidak cocok dengan {shown}", f"{where} does not match {shown}")
    wanted = spec.get("contains")
    if wanted is not None and wanted not in result.out and wanted not in result.err:
        shown = result.secrets.short(wanted)
        return text(f"keluarannya tidak memuat {shown}", f"its output does not contain {shown}")
    return None


def wrong_code(result: Result) -> dict[str, str]:
    """Why an exit code is not right, with the last of what it said."""
    code = result.code if result.code is not None else 0
    said = result.said.rsplit("\n", 1)[-1]
    tail = f": {short(said, 160)}" if said else ""
    if code < 0:
        return text(f"dihentikan sinyal {-code}{tail}", f"ended by signal {-code}{tail}")
    return text(f"kode keluar {code}{tail}", f"exit code {code}{tail}")


def codes_of(wanted: Any) -> list[int]:
    """The exit codes that are right: 0 where none are named."""
    if wanted is None:
        return [0]
    return [int(one) for one in wanted] if isinstance(wanted, (list, tuple)) else [int(wanted)]


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    wanted = ("stdout_matches", "stderr_matches", "contains")
    codes = " | ".join(str(code) for code in codes_of(spec.get("exit_code")))
    return line(ended(codes), *(short(spec[word], 40) for word in wanted if spec.get(word) is not None))


def ended(codes: str) -> Words:
    """An exit code in short."""
    return text(f"kode keluar {codes}", f"exit {codes}")


def found_of(result: Result) -> Words:
    """How it ended, as a short line, with the last line that it wrote."""
    said = result.secrets.text(result.out.strip() or result.err.strip()).rsplit("\n", 1)[-1]
    how = ended(str(result.code)) if result.code is not None else seconds(f"> {result.seconds:.1f}")
    return line(how, short(said) if said else "")
