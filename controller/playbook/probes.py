"""Probes: what may stand under test and verify. Words and shapes: ``docs/records.md``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from controller.playbook.words import (
    Anything,
    Argument,
    Arguments,
    Bool,
    Count,
    Duration,
    ExitCodes,
    FileDigest,
    Filled,
    GroupPattern,
    Kinds,
    Mode,
    Name,
    Path,
    Pattern,
    Port,
    Range,
    RegistryKey,
    Start,
    Statuses,
    Strict,
    String,
    Url,
    View,
    choice,
)
from controller.text import Text
from controller.units import UnitError


class Probing(Strict):
    """What every probe takes."""

    within_s: Duration | None = Field(None, alias="within")
    timeout_s: Duration | None = Field(None, alias="timeout")


class Bounds(Strict):
    """How many."""

    any_of = ("at_least", "at_most")
    at_least: Count | None = None
    at_most: Count | None = None


class CommandProbe(Probing):
    """A command and what it answers."""

    argv: list[Argument] = Field(min_length=1)
    exit_code: ExitCodes | None = None
    stdout_matches: Pattern | None = None
    stderr_matches: Pattern | None = None
    contains: Filled | None = None
    environment: dict[str, Argument] | None = None
    directory: Path | None = None


class ProcessProbe(Probing):
    """A running process."""

    one_of = ("name", "cmdline")
    name: Filled | None = None
    cmdline: Pattern | None = None
    count: Bounds | None = None
    user: Name | None = None
    stable_for_s: Duration | None = Field(None, alias="stable_for")


class ServiceProbe(Probing):
    """A service's state."""

    any_of = ("state", "enabled")
    name: Name
    state: Annotated[Any, choice("running", "stopped")] | None = None
    enabled: Start | None = None
    stable_for_s: Duration | None = Field(None, alias="stable_for")


class PortProbe(Probing):
    """A port that is listened on, or free."""

    port: Port
    protocol: Annotated[Any, choice("tcp", "udp")] = "tcp"
    address: Filled | None = None
    state: Annotated[Any, choice("listening", "free")] = "listening"
    process: Filled | None = None


class HttpProbe(Probing):
    """An HTTP answer."""

    url: Url
    method: Annotated[Any, choice("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")] = "GET"
    status: Statuses = 200  # type: ignore[assignment]
    contains: Filled | None = None
    matches: Pattern | None = None
    json_: dict[str, Anything] | None = Field(None, alias="json")
    headers: dict[str, Pattern] | None = None
    ca_file: Path | None = None
    insecure: Bool | None = None


class FileProbe(Probing):
    """A file and what stands in it."""

    path: Path
    exists: Bool | None = None
    contains: Filled | None = None
    matches: Pattern | None = None
    digest: FileDigest | None = None
    mode: Mode | None = None
    owner: Name | None = None
    is_: Annotated[Any, choice("file", "directory", "link")] | None = Field(None, alias="is")


class LogProbe(Probing):
    """What was logged since the run began."""

    one_of = ("path", "unit")
    path: Path | None = None
    unit: Name | None = None
    matches: Pattern | None = None
    absent: Pattern | None = None

    @model_validator(mode="after")
    def _check_question(self) -> LogProbe:
        if self.matches is None and self.absent is None:
            raise UnitError(
                Text(
                    "paling sedikit satu dari matches, absent harus ada",
                    "at least one of matches, absent must stand here",
                ),
                Text("tambahkan pola yang dicari", "add the pattern to look for"),
            )
        return self


class VersionProbe(Probing):
    """A version, printed by a command, of a package, or of a file of Windows."""

    one_of = ("argv", "package", "file")
    argv: list[Argument] | None = Field(None, min_length=1)
    package: Name | None = None
    file: Path | None = None
    pattern: GroupPattern | None = None
    equals: Filled | None = None
    range: Range | None = None

    @model_validator(mode="after")
    def _check_question(self) -> VersionProbe:
        if (self.equals is None) == (self.range is None):
            raise UnitError(
                Text("tepat satu dari equals, range harus ada", "exactly one of equals, range must stand here"),
                Text('tulis misalnya equals: "1.22.1"', 'write for example equals: "1.22.1"'),
            )
        if (self.argv is None) != (self.pattern is None):
            raise UnitError(
                Text("argv dan pattern berjalan bersama", "argv and pattern go together"),
                Text("tulis keduanya, atau package atau file saja", "write both, or package or file alone"),
            )
        return self


class ProgramProbe(Probing):
    """An uninstall entry of Windows."""

    name: Filled
    version: Range | None = None
    exists: Bool | None = None


class RegistryProbe(Probing):
    """A value of the registry."""

    key: RegistryKey
    value: String | None = None
    equals: Arguments | None = None
    contains: Filled | None = None
    exists: Bool | None = None
    view: View | None = None

    @model_validator(mode="after")
    def _check_question(self) -> RegistryProbe:
        if self.value is None and (self.equals is not None or self.contains is not None):
            raise UnitError(
                Text("equals dan contains memerlukan value", "equals and contains need value"),
                Text(
                    'tulis nama nilainya; value: "" untuk yang tanpa nama', 'name the value; value: "" is the nameless'
                ),
            )
        return self


class Probe(Kinds):
    """One probe: a kind and its words."""

    process: ProcessProbe | None = None
    service: ServiceProbe | None = None
    port: PortProbe | None = None
    http: HttpProbe | None = None
    command: CommandProbe | None = None
    file: FileProbe | None = None
    log: LogProbe | None = None
    version: VersionProbe | None = None
    program: ProgramProbe | None = None
    registry: RegistryProbe | None = None
