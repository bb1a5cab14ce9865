"""InstallShield: the ResultCode of a silent Setup.exe in its setup.log. One that wraps an MSI passes msiexec's on."""

from __future__ import annotations

from agent.codes.kinds import ARGUMENTS, DID_NOTHING, FAILED, LOG, MEMORY, OK, PACKAGE, RIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

ANSWERS = ("Rekam lagi berkas jawaban (setup.iss) untuk versi ini.",
           "Record the response file (setup.iss) for this version again.")  # fmt: skip

# fmt: off
TABLE: Table = {
    "InstallShield Help Library, Checking for Errors Using the Setup.log File": {
        0: (OK, "Selesai.", "Done."),
        -1: (FAILED, "Kesalahan umum.", "A general error.", LOG),
        -2: (DID_NOTHING, "Modus pemasangan salah.", "The mode is invalid.", ARGUMENTS),
        -3: (FAILED, "Jawaban yang diperlukan tidak ada di setup.iss.",
             "An answer it needs is not in setup.iss.", ANSWERS),
        -4: (FAILED, "Memori tidak cukup.", "There is not enough memory.", MEMORY),
        -5: (FAILED, "Berkas tidak ada.", "A file does not exist.", PACKAGE),
        -6: (DID_NOTHING, "Berkas jawaban tidak dapat ditulis.", "The response file cannot be written.", ARGUMENTS),
        -7: (DID_NOTHING, "Berkas log tidak dapat ditulis.", "The log file cannot be written.", ARGUMENTS),
        -8: (DID_NOTHING, "Alamat berkas jawaban (setup.iss) salah.",
             "The path of the response file is invalid.", ARGUMENTS),
        -9: (FAILED, "Jenis daftar salah.", "A list is of no valid type.", ANSWERS),
        -10: (FAILED, "Jenis data salah.", "A data type is invalid.", ANSWERS),
        -11: (FAILED, "Kesalahan yang tidak dikenal.", "An unknown error.", LOG),
        -12: (FAILED, "Urutan dialog tidak sama dengan setup.iss.",
              "The dialogs are not in the order of setup.iss.", ANSWERS),
        -51: (FAILED, "Folder tidak dapat dibuat.", "The folder cannot be created.", RIGHTS),
        -52: (FAILED, "Berkas atau folder tidak dapat diakses.", "The file or folder cannot be accessed.", RIGHTS),
        -53: (FAILED, "Pilihan salah.", "An invalid option was selected.", ANSWERS),
    },
}
