"""The captions of the form, in both languages."""

from __future__ import annotations

from controller import sop
from controller.text import Text

TITLE = Text("Form Instalasi Piranti Lunak", "Software Installation Form")
NUMBER = Text("Nomor form", "Form number")
SOFTWARE = Text("Piranti lunak", "Software")
PUBLISHER = Text("Penerbit, lisensi", "Publisher, licence")
HOST = Text("Komputer", "Computer")
SYSTEM = Text("Sistem operasi", "Operating system")
ADDRESS = Text("Alamat", "Address")
ASSET_TAG = Text("Nomor aset", "Asset tag")
LOCATION = Text("Lokasi", "Location")
OWNER = Text("Pengguna", "User")
OPENED = Text("Dibuka", "Opened")
ENDED = Text("Selesai", "Ended")
BY = Text("Petugas", "Operator")
MODE = Text("Jenis pekerjaan", "Kind of work")
TOTAL = Text("Jumlah", "Total")

ROW_HEADS = (
    Text("No", "No"),
    Text("Aktivitas", "Activity"),
    Text("Pelaksana", "Carried out by"),
    Text("Baku mutu waktu", "Standard time"),
    Text("Waktu nyata", "Actual time"),
    Text("Hasil dan bukti", "Result and evidence"),
)

OK = {
    1: Text("SW telah diperiksa", "software inspected"),
    2: Text("lokasi ditentukan", "location decided"),
    3: Text("diberitahukan", "notified"),
    4: Text("lengkap", "complete"),
    5: Text("terpasang", "in place"),
    6: Text("berhasil", "it runs"),
    7: Text("berhasil", "passed"),
    8: Text("dikembalikan, bersih", "taken back, clean"),
    9: Text("diputuskan", "decided"),
    10: Text("dikonfigurasi", "configured"),
    11: Text("sudah tepat", "right"),
    12: Text("selesai", "done"),
    13: Text("selesai", "done"),
}
NOT_OK = {
    4: Text("tidak lengkap", "not complete"),
    5: Text("pemasangan gagal", "installing failed"),
    6: Text("tidak berhasil", "it does not run"),
    7: Text("tidak berhasil", "not passed"),
    8: Text("pengembalian gagal", "taking back failed"),
    10: Text("tidak dapat dikonfigurasi", "it cannot be configured"),
    11: Text("belum tepat", "not right"),
}
TAKEN_BACK = {
    True: Text("dikembalikan, ada sisa", "taken back, something left behind"),
    False: Text("pengembalian gagal", "taking back failed"),
}
REMOVED = Text("dicopot", "removed")
DONE_SIGNED = Text("selesai, ditandatangani", "done, signed")
DONE_UNSIGNED = Text("selesai, menunggu tanda tangan", "done, waiting for a signature")
NOT_REACHED = Text("tidak dijalankan", "not reached")
NOT_YET = Text("belum", "not yet")
GOING_ON = Text("sedang berjalan", "going on")

REASON = Text("Sebab", "Reason")
REMARK = Text("Keterangan", "Remark")
DECISION = Text("Keputusan", "Decision")
REBOOT = Text("Penyalaan ulang", "Reboot")
STOPPED = Text("Penghentian", "Stopped")
ARC = Text("Cabang", "Branch")
WAY_BACK = Text("Pengembalian", "The way back")
OTHER = Text("Catatan lain", "Other record")
EVIDENCE = {
    "exit_code": Text("kode keluar", "exit code"),
    "seconds": Text("detik", "seconds"),
    "found": Text("didapati", "found"),
    "path": Text("jalur", "path"),
    "unit": Text("unit", "unit"),
    "manager": Text("pengelola layanan", "service manager"),
    "log": Text("catatan", "log"),
    "active": Text("keadaan", "state"),
    "result": Text("hasil", "result"),
    "left": Text("tertinggal", "left"),
    "changed": Text("diubah", "changed"),
    "removed": Text("dihapus", "removed"),
    "release": Text("rilis", "release"),
    "mode": Text("hak berkas", "mode"),
    "size_bytes": Text("ukuran (byte)", "size (bytes)"),
    "interrupted": Text("terputus", "interrupted"),
}
"""Names of what a computer answers; others stand as they are."""
VERBS = {"apply": Text("dikerjakan", "done"), "undo": Text("dibatalkan", "undone")}
WHY_STOPPED = {
    "stall": Text("tidak ada kemajuan", "did not get on"),
    "timeout": Text("terlalu lama", "took too long"),
    "order": Text("dihentikan petugas", "stopped by a person"),
    "orphan": Text("masih berjalan sesudah agennya mati", "still at work after its agent had been killed"),
}
UNDONE = Text("dikembalikan", "taken back")

TABLES = {
    "payloads": (
        Text("Berkas yang diperiksa (langkah 1)", "Installers inspected (step 1)"),
        Text("Berkas", "File"),
        Text("Produk dan versi", "Product and version"),
        Text("Ukuran", "Size"),
        Text("SHA-256", "SHA-256"),
    ),
    "requirements": (
        Text("Persyaratan (langkah 4)", "Requirements (step 4)"),
        Text("Persyaratan", "Requirement"),
        Text("Diperlukan", "Needed"),
        Text("Didapati", "Found"),
        Text("Kesimpulan", "Verdict"),
    ),
    "tests": (
        Text("Pengujian (langkah 6, 7 dan 11)", "Tests (steps 6, 7 and 11)"),
        Text("Lkh.", "Step"),
        Text("Pengujian", "Test"),
        Text("Diperlukan", "Needed"),
        Text("Didapati", "Found"),
        Text("Hasil", "Verdict"),
    ),
    "changes": (
        Text("Perubahan pada komputer", "Changes on the computer"),
        Text("Lkh.", "Step"),
        Text("Perubahan", "Change"),
        Text("Tindakan", "Action"),
        Text("Hasil", "Result"),
    ),
    "stopped": (
        Text("Program yang dihentikan, dan prosesnya saat itu", "Programs that were stopped, and their processes then"),
        Text("Lkh.", "Step"),
        Text("PID (induk)", "PID (parent)"),
        Text("Perintah", "Command"),
        Text("Sejak", "Since"),
        Text("Menunggu", "Waits in"),
    ),
    "residue": (
        Text("Sisa yang tertinggal (langkah 8)", "Left behind (step 8)"),
        Text("Jenis", "Kind"),
        Text("Nama", "Name"),
        Text("Keadaan", "State"),
    ),
}

CAPTIONS = {
    sop.Actor.USER: Text("Menerima,", "Received by"),
    sop.Actor.STAF_TI: Text("Pelaksana,", "Carried out by"),
    sop.Actor.SUB_KOORDINATOR: Text("Mengetahui,", "Acknowledged by"),
}

WORDS = {
    "outcome": Text("Hasil akhir", "Outcome"),
    "annex": Text("Lampiran", "Annex"),
    "legal": Text("Dasar hukum", "Legal basis"),
    "digest": Text("SHA-256 catatan form ini", "SHA-256 of this form's record"),
    "page": Text("halaman", "page"),
    "of": Text("dari", "of"),
    "signed": Text("Ditandatangani secara elektronik", "Signed electronically"),
    "broken": Text("Tanda tangan tidak cocok dengan isi form", "The signature does not fit this form"),
    "key": Text("Kunci", "Key"),
    "name": Text("Nama", "Name"),
    "nip": Text("NIP", "NIP"),
    "document": Text("No. POS", "SOP number"),
    "created": Text("Tanggal pembuatan", "Created on"),
    "revised": Text("Tanggal revisi", "Revised on"),
    "effective": Text("Tanggal efektif", "Effective on"),
    "approved": Text("Disahkan oleh", "Approved by"),
}
