"""The thirteen steps of the procedure: who, how long, with what, and where each may lead. Pure data, pure functions.

Source: Standard Operating Procedure "Instalasi Piranti Lunak", Bidang Sarana dan Prasarana TIK dan Persandian, Dinas
Komunikasi dan Informatika Kota Tangerang. Where a failed step 6 goes is ours: the document sends it straight back to 1,
here nothing that does not work stays behind, so it passes through 8 as a failed step 7 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.text import Text


class Location(StrEnum):
    """Where the software is put: at an employee's place or in the data centre."""

    USER = "user"
    DATA_CENTER = "data_center"

    @property
    def printed(self) -> Text:
        """As the form prints it."""
        return _LOCATIONS[self]


class Actor(StrEnum):
    """Who acts (pelaku). Only ``USER`` and ``STAF_TI`` sign a step."""

    USER = "user"
    STAF_TI = "staf_ti"
    SUB_KOORDINATOR = "sub_koordinator"

    @property
    def printed(self) -> Text:
        """As the form prints it."""
        return _ACTORS[self]


class Result(StrEnum):
    """How a visit to a step ended."""

    OK = "ok"
    NOT_MET = "not_met"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Arc:
    """A branch out of a step, taken instead of going on to the next."""

    to: int
    when: Text


@dataclass(frozen=True)
class Step:
    """One row of the procedure."""

    no: int
    activity: Text
    actors: tuple[Actor, ...]
    completeness: Text
    """What must lie ready (kelengkapan); may be empty."""
    standard_minutes: int | None
    """None where the procedure sets no time; ``standard`` then says what it depends on, if anything."""
    standard: Text
    output: Text
    arcs: tuple[Arc, ...] = ()


_LOCATIONS = {
    Location.USER: Text("Lokasi User", "user's place"),
    Location.DATA_CENTER: Text("Data Center", "data centre"),
}
_ACTORS = {
    Actor.USER: Text("User", "user"),
    Actor.STAF_TI: Text("Staf TI", "IT staff"),
    Actor.SUB_KOORDINATOR: Text("Sub Koordinator IIDC", "sub-coordinator IIDC"),
}

_NOTHING = Text("", "")
_SW = Text("SW", "software")
_SW_FORM = Text("SW, Form Instalasi", "software, installation form")
_FORM = Text("Form Instalasi", "installation form")
_FORM_ATK = Text("Form Instalasi, ATK", "installation form, stationery")
_FILLED = Text("Form Instalasi dilengkapi", "installation form filled in")
_STAFF = (Actor.STAF_TI,)


def _minutes(number: int) -> Text:
    return Text(f"{number} menit", f"{number} minutes")


STEPS: tuple[Step, ...] = (
    Step(
        1,
        Text("Mempersiapkan Instalasi SW", "prepare the software"),
        _STAFF,
        Text("SW yang ingin di instalasi", "the software to be installed"),
        20,
        _minutes(20),
        Text("SW telah diperiksa", "software inspected"),
    ),
    Step(
        2,
        Text(
            "Menentukan lokasi instalasi SW, apakah di Data Center atau di lokasi User",
            "decide the location: data centre or the user's place",
        ),
        _STAFF,
        _SW,
        5,
        _minutes(5),
        Text("Lokasi instalasi", "location of the installation"),
        (Arc(4, Text("di Data Center", "in the data centre")),),
    ),
    Step(
        3,
        Text("Menerima pemberitahuan akan adanya instalasi SW", "the user is notified of the installation"),
        (Actor.USER,),
        _NOTHING,
        5,
        _minutes(5),
        Text("Jadwal instalasi", "schedule of the installation"),
    ),
    Step(
        4,
        Text(
            "Memeriksa persyaratan instalasi SW, apakah lengkap atau tidak",
            "check the prerequisites: complete or not",
        ),
        _STAFF,
        _SW_FORM,
        10,
        _minutes(10),
        _FORM,
        (Arc(1, Text("tidak lengkap", "not complete")),),
    ),
    Step(
        5,
        Text("Melakukan pemasangan SW", "install the software"),
        _STAFF,
        _SW_FORM,
        None,
        Text("tergantung ukuran installer", "depends on the installer's size"),
        _FILLED,
        (Arc(8, Text("pemasangan gagal", "installing failed")),),
    ),
    Step(
        6,
        Text("Menjalankan SW, berhasil atau tidak", "run the software: does it work or not"),
        _STAFF,
        _FORM,
        10,
        _minutes(10),
        _FILLED,
        (Arc(8, Text("tidak berhasil", "it does not run")),),
    ),
    Step(
        7,
        Text("Melakukan Test default, berhasil atau tidak", "default test: passed or not"),
        _STAFF,
        _FORM,
        10,
        _minutes(10),
        _FILLED,
        (Arc(8, Text("tidak berhasil", "not passed")),),
    ),
    Step(
        8,
        Text("Membawa kembali SW yang tidak bekerja normal", "take back software that does not work normally"),
        _STAFF,
        _NOTHING,
        None,
        _NOTHING,
        _NOTHING,
        (Arc(1, Text("SW disiapkan kembali", "the software is prepared again")),),
    ),
    Step(
        9,
        Text(
            "Memutuskan adanya konfigurasi SW yang perlu dikerjakan",
            "decide whether the software needs to be configured",
        ),
        _STAFF,
        _FORM_ATK,
        15,
        _minutes(15),
        _FILLED,
        (
            Arc(12, Text("tidak perlu konfigurasi, di lokasi User", "nothing to configure, at the user's place")),
            Arc(13, Text("tidak perlu konfigurasi, di Data Center", "nothing to configure, in the data centre")),
        ),
    ),
    Step(
        10,
        Text("Melakukan konfigurasi SW", "configure the software"),
        _STAFF,
        _FORM_ATK,
        None,
        Text("tergantung SW", "depends on the software"),
        _FILLED,
        (Arc(8, Text("tidak dapat dikonfigurasi", "it cannot be configured")),),
    ),
    Step(
        11,
        Text(
            "Verifikasi konfigurasi, sudah tepat atau belum",
            "verify the configuration: right or not yet",
        ),
        _STAFF,
        _FORM_ATK,
        15,
        _minutes(15),
        _FILLED,
        (
            Arc(10, Text("belum tepat", "not right yet")),
            Arc(8, Text("tidak dapat ditepatkan", "it cannot be made right")),
        ),
    ),
    Step(
        12,
        Text("Instalasi selesai, dan SW dapat digunakan", "installation done, the software can be used"),
        (Actor.USER,),
        _FORM_ATK,
        15,
        _minutes(15),
        Text("Form Instalasi ditandatangani user", "installation form signed by the user"),
    ),
    Step(
        13,
        Text(
            "Instalasi di Data Center selesai, dan SW dapat digunakan",
            "installation in the data centre done, the software can be used",
        ),
        _STAFF,
        _FORM_ATK,
        2,
        _minutes(2),
        Text("Form Instalasi ditandatangani staf TI", "installation form signed by IT staff"),
    ),
)


def step(no: int) -> Step:
    """The step with this number, 1 to 13.

    Raises:
        ValueError: there is no such step.
    """
    if not 1 <= no <= len(STEPS):
        raise ValueError(f"no step {no}: the procedure has 1 to {len(STEPS)}")
    return STEPS[no - 1]


def applies(no: int, location: Location) -> bool:
    """Whether the step exists at this location: 3 and 12 only at the user's place, 13 only in the data centre."""
    step(no)
    if no in (3, 12):
        return location is Location.USER
    return no != 13 or location is Location.DATA_CENTER


def closing_step(location: Location) -> int:
    """The step that ends an installation and is signed: 12 at the user's place, 13 in the data centre."""
    return 12 if location is Location.USER else 13


def standard_minutes(location: Location | None = None) -> int:
    """The standard times added up: of the whole procedure, or of the steps that exist at a location."""
    return sum(row.standard_minutes or 0 for row in STEPS if location is None or applies(row.no, location))


def next_step(no: int, result: Result, *, location: Location, configure: bool = True) -> int | None:
    """Where the procedure goes from here.

    Args:
        no: the step that has just ended.
        result: how it ended. ``NOT_MET`` and ``FAILED`` take the step's branch; an 11 that fails goes to 10, and
            whoever counts the loop sends it to 8 instead once the limit is reached.
        location: decides about 3, 12 and 13.
        configure: what step 9 decided; looked at only there.

    Returns:
        The number of the next step; None where the procedure is over.
    """
    step(no)
    if result in (Result.NOT_MET, Result.FAILED):
        return {4: 1, 5: 8, 6: 8, 7: 8, 10: 8, 11: 10}.get(no)
    if no in (12, 13):
        return None
    if no == 8:
        return 1
    if no == 11 or (no == 9 and not configure):
        return closing_step(location)
    following = 9 if no == 7 else no + 1
    return following if applies(following, location) else following + 1
