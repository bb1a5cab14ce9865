"""runtime: what the agent needs on a computer: its archive, and psutil by platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.common import LANGUAGE, read_settings, say, written
from controller.cli.help import family
from controller.errors import InputError

app = family(say("agen dan psutil untuk komputer tujuan", "the agent, and psutil, for the computers"))


@app.command("list", help=say("yang dikirim ke komputer, dengan ukurannya", "what is sent to computers, and its size"))
def list_parts(
    json: Annotated[
        bool, typer.Option("--json", help=say("satu objek JSON per baris", "one JSON object a line"))
    ] = False,
) -> None:
    """Print a table, or NDJSON."""
    import hashlib

    from controller import runtime

    made = runtime.prepare(read_settings().home)
    parts = [
        *(("stage", os, len(a.stage), hashlib.sha256(a.stage).hexdigest()) for os, a in made.agents.items()),
        *(("agent", os, made.path(a.archive).stat().st_size, a.archive) for os, a in made.agents.items()),
        *(
            ("agent", f"{os} python {magic}", made.path(digest).stat().st_size, digest)
            for os, a in made.agents.items()
            for magic, digest in a.compiled.items()
        ),
        *(("python", name, made.path(digest).stat().st_size, digest) for name, digest in sorted(made.python.items())),
        *(("psutil", name, made.path(digest).stat().st_size, digest) for name, digest in sorted(made.psutil.items())),
    ]
    if json:
        for name, platform, size_bytes, digest in parts:
            row = {"name": name, "platform": platform or None, "size_bytes": size_bytes, "digest": digest}
            typer.echo(written(row))
        return
    from controller.cli.tables import print_table
    from controller.form.wording import size

    print_table(
        (say("Bagian", "Part"), say("Untuk", "For"), say("Ukuran", "Size"), "SHA-256"),
        [(name, platform, size(size_bytes).say(LANGUAGE), digest) for name, platform, size_bytes, digest in parts],
    )


@app.command(
    help=say(
        "tambahkan Python untuk komputer yang tidak punya, atau wheel psutil untuk platform lain (nama platformnya "
        "saja, misalnya windows-x86_64: diambil dari indeks paket)",
        "add a Python for computers that have none, or psutil's wheel for another platform (the platform's name "
        "alone, windows-x86_64 for example: it is fetched from the package index)",
    )
)
def add(files: Annotated[list[str], typer.Argument(metavar="FILE|PLATFORM…")]) -> None:
    """Print what each file is and the platforms that it serves."""
    from controller import runtime, supplies

    home = read_settings().home

    def told(name: str, taken: tuple[list[str], str]) -> list[str]:
        platforms, digest = taken
        typer.echo(f"{name} {', '.join(platforms)}: {digest}")
        return platforms

    for word in sorted(files, key=lambda word: not word.endswith(".whl")):  # a Python asks which wheels there are
        file = Path(word)
        if word in supplies.INDEX and not file.exists():
            told("psutil", supplies.fetch_wheel(home, word))
        elif file.suffix == ".whl":
            told("psutil", supplies.add_wheel(home, file))
        else:
            for platform in told("python", supplies.add_python(home, file)):
                if platform in runtime.prepare(home).psutil:
                    continue
                try:
                    told("psutil", supplies.fetch_wheel(home, platform))
                except InputError as error:  # the Python is there, and is what was asked for
                    typer.echo(f"pasang: {error.say(LANGUAGE)}", err=True)
