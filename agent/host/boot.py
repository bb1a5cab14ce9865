"""Our own start with the computer: a unit of systemd's for a run that has not ended, there only until it has.

It is wanted by a generator, which wants nothing in the boot that the run is in: packages make systemd read its units
again, and what it has read it can only be made to forget by reading everything once more. Snapshots are taken while
the files are there, and their content stays the same. Source: systemd.generator(7).
"""

from __future__ import annotations

import io
import os

from agent.light.contexts import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from agent.host import Host

PREFIX = "pasang-boot-"
FOLDER = "/etc/systemd/system"
GENERATORS = "/etc/systemd/system-generators"
GENERATOR = """\
#!/bin/sh
read -r now </proc/sys/kernel/random/boot_id
read -r boot <{boot}
test "$boot" = "$now" && exit 0
mkdir -p "$1/multi-user.target.wants" && ln -s {unit} "$1/multi-user.target.wants/"
"""
BOOT = "boot"
"""In the run's folder, which need not be mounted yet when a boot begins: the boot that the run is in."""
MADE_FOLDER = "made-generators"
"""In the run's folder: the folder of generators was not there, and goes with ours."""


def is_possible(host: Host) -> bool:
    """Whether there is somebody here who would start us: systemd, for root."""
    from agent.host import systemd

    return host.is_administrator and systemd.is_running()


def arrange(folder: str, argv: Sequence[str]) -> None:
    """Let a run be gone on with at every boot; nothing is written where that is arranged already.

    Args:
        folder: the run's; where it has gone, systemd starts nothing.
        argv: the program that goes on.

    Raises:
        OSError: the unit cannot be written.
    """
    from agent import files
    from agent.host.linux import boot_id

    unit, generator = places(folder)
    boot = os.path.join(folder, BOOT)
    wants = GENERATOR.format(boot=shell_word(boot), unit=shell_word(unit))
    # The unit before what wants it: by the unit ``forget`` knows that there is something to take away.
    own = ((boot, boot_id() + "\n", 0o600), (unit, render(folder, argv), 0o644), (generator, wants, 0o755))
    for path, content, mode in own:
        if path == generator and not os.path.isdir(GENERATORS):
            files.write(os.path.join(folder, MADE_FOLDER), io.BytesIO(b""), mode=0o600)
            files.make_parents(generator)
        if not is_written(path, content.encode()):
            files.write(path, io.BytesIO(content.encode()), mode=mode)


def forget(folder: str) -> None:
    """Take the unit of a run away: it ends.

    One that cannot be taken away, or comes back with a power cut, starts an agent that finds the run ended and tries
    again.
    """
    unit, generator = places(folder)
    if not os.path.lexists(unit):
        return
    with suppress(OSError):
        os.unlink(generator)
    if os.path.exists(os.path.join(folder, MADE_FOLDER)):
        with suppress(OSError):  # somebody else has one there by now
            os.rmdir(GENERATORS)
    with suppress(OSError):
        os.unlink(unit)  # last: by it the next look finds what this one left
    from agent.host import systemd

    systemd.drop(os.path.basename(unit))


def places(folder: str) -> tuple[str, str]:
    """Where the unit of a run stands, and the generator that lets it start."""
    name = PREFIX + word(os.path.basename(folder))
    return os.path.join(FOLDER, name + ".service"), os.path.join(GENERATORS, name)


def word(name: str) -> str:
    """A name as it may stand within that of a unit."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)


def shell_word(path: str) -> str:
    """A path as one word of a shell."""
    return "'" + path.replace("'", "'\\''") + "'"


def is_written(path: str, content: bytes) -> bool:
    """Whether a file has this content."""
    try:
        with open(path, "rb") as file:
            return file.read() == content
    except OSError:
        return False


def render(folder: str, argv: Sequence[str]) -> str:
    """The unit: as the process that hands over starts one (``systemd.start_transient``), but for good.

    Source: systemd.unit(5), systemd.service(5).
    """
    from agent.host.services import one_line, quoted

    lines = [
        "[Unit]",
        "Description=Pasang " + one_line(os.path.basename(folder)),
        "ConditionPathExists=" + one_line(folder),
        "CollectMode=inactive-or-failed",
        "StartLimitIntervalSec=120",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "ExecStart=" + " ".join(quoted(word) for word in argv),
        "KillMode=process",
        "Restart=on-failure",
        "RestartSec=2",
        "",
    ]
    return "\n".join(lines)
