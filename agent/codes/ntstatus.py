"""How Windows itself ends a program that cannot start or go on: any maker's installer may end so."""

from __future__ import annotations

from agent.codes.kinds import CANCELLED, DID_NOTHING, FITTING, HALF_DONE, MEMORY, PACKAGE, PUBLISHER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

# fmt: off
TABLE: Table = {
    "MS-ERREF, 2.3.1 NTSTATUS Values": {
        0xC0000005: (HALF_DONE, "Program berhenti karena kesalahan memori.",
                     "The program crashed: access violation.", PUBLISHER),
        0xC0000006: (HALF_DONE, "Program berhenti: berkasnya tidak terbaca lagi dari disk atau jaringan.",
                     "The program crashed: its file could not be read any more."),
        0xC0000017: (HALF_DONE, "Memori tidak cukup.", "There was not enough memory.", MEMORY),
        0xC000001D: (HALF_DONE, "Program memakai instruksi yang tidak dikenal prosesor ini.",
                     "The program used an instruction that this processor does not know.", FITTING),
        0xC000007B: (DID_NOTHING, "Program atau pustakanya bukan untuk jenis prosesor ini, atau rusak.",
                     "The program or a DLL is not for this processor, or damaged.", FITTING),
        0xC00000FD: (HALF_DONE, "Program berhenti karena tumpukan memori penuh.",
                     "The program crashed: stack overflow.", PUBLISHER),
        0xC0000135: (DID_NOTHING, "Program tidak dapat dimulai: sebuah pustaka (DLL) tidak ada.",
                     "The program could not start: a DLL is missing.", PACKAGE),
        0xC0000138: (DID_NOTHING, "Program tidak dapat dimulai: pustaka (DLL) tidak cocok.",
                     "The program could not start: a DLL does not fit (ordinal).", FITTING),
        0xC0000139: (DID_NOTHING, "Program tidak dapat dimulai: fungsi yang dicari tidak ada di pustaka (DLL).",
                     "The program could not start: a DLL does not fit (entry point).", FITTING),
        0xC000013A: (CANCELLED, "Program ditutup dari luar (Ctrl+C atau jendela ditutup).",
                     "The program was closed from outside (Ctrl+C, or its window)."),
        0xC0000142: (DID_NOTHING, "Program tidak dapat dimulai: pustaka (DLL) gagal disiapkan.",
                     "The program could not start: a DLL failed to initialise."),
        0xC0000374: (HALF_DONE, "Program berhenti karena memorinya rusak.",
                     "The program crashed: heap corruption.", PUBLISHER),
        0xC0000409: (HALF_DONE, "Program menghentikan diri karena memorinya rusak.",
                     "The program ended itself: a buffer overrun.", PUBLISHER),
        0xC0000428: (DID_NOTHING, "Tanda tangan digital program atau pustakanya tidak sah.",
                     "The signature of the program or a DLL is not valid.", PACKAGE),
    },
}
