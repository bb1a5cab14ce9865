"""form: the Form Instalasi as text, PDF and JSON; the decision of step 9; signatures; the check of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.common import LANGUAGE, read_settings, say, written
from controller.cli.help import family
from controller.text import Text

if TYPE_CHECKING:
    from controller.form.model import Form
    from controller.form.verify import Report
    from controller.records import FormRow, Store
    from controller.settings import Settings

app = family(say("Form Instalasi", "the installation form"))

NumberArgument = Annotated[
    str, typer.Argument(metavar="FORM", help=say("nomor form, misalnya FI-2026-000001", "the form's number"))
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help=say("berkas tujuan", "the file to write"))]


def opened(given: Settings) -> Store:
    """The record of this installation."""
    from controller.records import Store

    return Store(given.database_url)


def read(store: Store, number: str) -> Form:
    """A form by its number.

    Raises:
        FormError: there is none.
    """
    from controller.errors import FormError
    from controller.form.project import project

    events = store.events(form=number)
    if not events:
        raise FormError(
            Text(f"tidak ada form {number}", f"there is no form {number}"),
            hint=Text("lihat nomornya dengan `pasang form list`", "see the numbers with `pasang form list`"),
        )
    return project(events)


@app.command("list", help=say("daftar form, terbaru dahulu", "the forms, newest first"))
def list_forms(
    host: Annotated[str | None, typer.Option("--host", help=say("hanya komputer ini", "only this computer"))] = None,
    software: Annotated[
        str | None, typer.Option("--software", help=say("hanya perangkat lunak ini", "only this software"))
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help=say("hanya proses ini", "only this run"))] = None,
    limit: Annotated[int, typer.Option("-n", min=1, help=say("paling banyak", "at most"))] = 50,
    json: Annotated[
        bool, typer.Option("--json", help=say("satu objek JSON per baris", "one JSON object a line"))
    ] = False,
) -> None:
    """Print a table, or NDJSON."""
    import dataclasses

    given = read_settings()
    with opened(given) as store:
        rows = store.forms(host=host, software=software, run=run, limit=limit)
    if json:
        for row in rows:
            typer.echo(written(dataclasses.asdict(row)))
        return
    from datetime import UTC, datetime

    from controller.cli.tables import print_table
    from controller.form.wording import minute

    clock = datetime.now(UTC).astimezone(given.zone).tzname()
    print_table(
        (
            "Form",
            say(f"Dibuka ({clock})", f"Opened ({clock})"),
            say("Komputer", "Computer"),
            "SW",
            say("Hasil", "Outcome"),
        ),
        [
            (
                row.number,
                minute(row.opened_at, given.zone).say(LANGUAGE),
                row.host,
                f"{row.software} {row.version}",
                ended(row),
            )
            for row in rows
        ],
    )


def ended(row: FormRow) -> str:
    """How the work of a form ended; what work it was where it was no installation; whether it is signed."""
    from controller.form.wording import MODES, OUTCOMES, word

    work = "" if row.mode == "install" else word(MODES, row.mode).say(LANGUAGE) + ": "
    signed = say(", ditandatangani", ", signed") if row.signed else ""
    return work + word(OUTCOMES, row.state).say(LANGUAGE) + signed


@app.command(help=say("form di terminal", "the form on the terminal"))
def show(number: NumberArgument) -> None:
    """Print it."""
    from controller.form.text import print_form

    given = read_settings()
    with opened(given) as store:
        print_form(read(store, number), LANGUAGE, letterhead=given.letterhead, zone=given.zone)


@app.command(help=say("form sebagai PDF untuk ditandatangani", "the form as a PDF to sign"))
def pdf(number: NumberArgument, output: OutputOption = None) -> None:
    """Write it, and say where."""
    from controller.form.pdf import to_pdf

    given = read_settings()
    with opened(given) as store:
        data = to_pdf(read(store, number), LANGUAGE, letterhead=given.letterhead, zone=given.zone)
    write(output or Path(f"{number}.pdf"), data)
    if not given.letterhead.lines:
        typer.echo(
            say(
                f"tanpa kop surat: isi {given.file} menurut docs/settings.example.yaml",
                f"without a letterhead: write one into {given.file}, as docs/settings.example.yaml shows",
            ),
            err=True,
        )


@app.command(help=say("form sebagai JSON", "the form as JSON"))
def export(
    number: NumberArgument,
    format: Annotated[str, typer.Option("--format", help="json")] = "json",
    output: OutputOption = None,
) -> None:
    """Write it to a file, or to stdout."""
    from controller.errors import FormError
    from controller.form.json import to_json

    if format != "json":
        raise FormError(
            Text(f"format {format!r} belum ada", f"there is no format {format!r} yet"),
            hint=Text("pakai --format json", "use --format json"),
        )
    with opened(read_settings()) as store:
        data = to_json(read(store, number))
    if output is None:
        typer.echo(data, nl=False)
    else:
        write(output, data)


@app.command(help=say("keputusan langkah 9, dengan alasannya", "the decision of step 9, with its reason"))
def decide(
    number: NumberArgument,
    reason: Annotated[str, typer.Option("--reason", help=say("alasannya, untuk form", "the reason, for the form"))],
    configure: Annotated[bool, typer.Option("--configure", help=say("perlu konfigurasi", "it is needed"))] = False,
    no_configure: Annotated[
        bool, typer.Option("--no-configure", help=say("tidak perlu konfigurasi", "it is not needed"))
    ] = False,
    by: Annotated[str | None, typer.Option("--by", help=say("nama pemutus", "who decides"))] = None,
) -> None:
    """Record it; ``pasang resume`` carries it out."""
    import getpass

    from controller.errors import FormError
    from controller.records import DURABLE

    if configure == no_configure:
        raise FormError(
            Text("keduanya diberikan", "both are given")
            if configure
            else Text("keputusannya belum diberikan", "the decision is not given"),
            where="--configure, --no-configure",
            hint=Text(
                "tulis salah satu: --configure bila perlu konfigurasi, --no-configure bila tidak",
                "write one of them: --configure where configuration is needed, --no-configure where it is not",
            ),
        )
    with opened(read_settings()) as store:
        form = read(store, number)
        if form.outcome != "awaiting_decision":
            raise FormError(
                Text("form ini tidak menunggu keputusan", "this form does not wait for a decision"),
                where=number,
                hint=Text("lihat `pasang form show`", "see `pasang form show`"),
            )
        if not reason.strip():
            raise FormError(Text("alasannya kosong", "the reason is empty"), where="--reason")
        who = by or getpass.getuser()
        decided = {"configure": configure, "by": who, "reason": {"id": reason, "en": reason}}
        store.append(
            [store.record("decided", run=form.run, host=form.host, form=number, step=9, **decided)], commit=DURABLE
        )
    typer.echo(say("tercatat; lanjutkan dengan: pasang resume", "recorded; go on with: pasang resume"))


@app.command(help=say("tanda tangani (langkah 12 atau 13)", "sign it (step 12 or 13)"))
def sign(
    number: NumberArgument,
    role: Annotated[str, typer.Option("--as", help="user | staf_ti")],
    name: Annotated[str | None, typer.Option("--name", help=say("nama penanda tangan", "the signer's name"))] = None,
) -> None:
    """Put an Ed25519 signature over the record's digest."""
    import getpass
    from datetime import UTC, datetime

    from controller.form.keys import fingerprint
    from controller.form.sign import sign as put
    from controller.records import DURABLE

    given = read_settings()
    with opened(given) as store:
        form = read(store, number)
        signer = name or (form.owner if role == "user" else "") or getpass.getuser()
        signed = put(form, role=role, name=signer, folder=given.keys, at=datetime.now(UTC))
        step = 13 if form.location == "data_center" else 12
        record = store.record(
            "signed",
            run=form.run,
            host=form.host,
            form=number,
            step=step,
            **{k: v for k, v in signed.items() if k != "at"},
        )
        store.append([{**record, "at": signed["at"]}], commit=DURABLE)
    key = fingerprint(signed["key"])
    typer.echo(
        say(
            f"{number} ditandatangani oleh {signed['name']} (kunci {key})",
            f"{number} signed by {signed['name']} (key {key})",
        )
    )


@app.command(help=say("periksa berkas form JSON, tanpa basis data", "check an exported form, without a database"))
def verify(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Exit 0 where every byte and signature is right, else 1, saying which is not."""
    from controller.form.keys import known_keys
    from controller.form.verify import verify as check

    folder = read_settings().keys
    report = check(file, known=known_keys(folder) if folder.is_dir() else None)
    print_report(report)
    raise typer.Exit(0 if report.is_sound else 1)


def print_report(report: Report) -> None:
    """What the check found: each fault with its bytes, each signature with its key."""
    typer.echo(f"{report.number} {report.digest}")
    for fault in report.faults:
        place = f"{fault.first_byte}-{fault.last_byte}"
        typer.echo(
            say(f"SALAH byte {place} {fault.part}: ", f"WRONG bytes {place} {fault.part}: ") + fault.what.say(LANGUAGE)
        )
    for signature in report.signatures:
        valid = say("sah", "valid") if signature.is_valid else say("TIDAK SAH", "NOT VALID")
        known = {True: say("kunci dikenal", "known key"), False: say("kunci tidak dikenal", "unknown key"), None: ""}[
            signature.is_known
        ]
        typer.echo(f"{signature.role} {signature.name} {signature.at} {signature.fingerprint} {valid} {known}".rstrip())
    if report.signatures or report.unsigned:
        count, absent = len(report.signatures), ", ".join(report.unsigned) or "-"
        typer.echo(
            say(
                f"{count} tanda tangan dalam berkas ini; tidak ada dari: {absent}",
                f"{count} {'signature' if count == 1 else 'signatures'} in this file; none of: {absent}",
            )
        )
    if report.is_sound:
        unsigned = say("utuh, belum ditandatangani", "whole, not signed yet")
        typer.echo(say("utuh dan sah", "whole and valid") if report.signatures else unsigned)


def write(path: Path, data: bytes) -> None:
    """Write a file whole, and say where it is.

    Raises:
        FormError: it cannot be written.
    """
    from controller.errors import FormError

    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise FormError(
            Text(f"berkas tidak dapat ditulis: {error.strerror}", f"the file cannot be written: {error.strerror}"),
            where=str(path),
            hint=Text("pilih tempat lain dengan -o", "choose another place with -o"),
        ) from error
    typer.echo(str(path.absolute()))
