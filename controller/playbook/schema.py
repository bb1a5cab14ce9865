"""The JSON Schema of playbook.yaml, for editors: the models' shape, and what each word means."""

from __future__ import annotations

from typing import Any

from controller.text import Language, Text

DIALECT = "https://json-schema.org/draft/2020-12/schema"

WORDS: dict[str, Text] = {
    "pasang": Text("versi format ini: 1", "version of this format: 1"),
    "software": Text("piranti lunak yang dipasang", "the software that is installed"),
    "payloads": Text("berkas pemasang, per nama", "installers, by name"),
    "variants": Text(
        "satu per platform; agen memakai yang pertama cocok", "one a platform; the agent takes the first that fits"
    ),
    "when": Text("platform varian ini", "the platform of this variant"),
    "os": Text("linux, windows atau macos", "linux, windows or macos"),
    "distribution": Text("ID di /etc/os-release, misalnya debian", "ID in /etc/os-release, for example debian"),
    "like": Text(
        "keluarga distribusi (ID_LIKE), misalnya debian", "family of distributions (ID_LIKE), for example debian"
    ),
    "inodes": Text("berkas yang masih dapat dibuat", "files that can still be made"),
    "ram_available": Text("memori yang masih tersedia", "memory still available"),
    "arch": Text("arsitektur prosesor, misalnya x86_64", "processor architecture, for example x86_64"),
    "requirements": Text("langkah 4: persyaratan", "step 4: requirements"),
    "disk_free": Text(
        "ruang kosong; kebutuhan payload ditambahkan sendiri", "free room; what the payloads need is added by itself"
    ),
    "ram_total": Text("memori terpasang", "memory installed"),
    "cpu_count": Text("jumlah prosesor", "number of processors"),
    "ports_free": Text("port TCP yang harus bebas", "TCP ports that must be free"),
    "commands": Text("perintah yang harus ada", "commands that must exist"),
    "processes": Text("proses yang harus berjalan", "processes that must run"),
    "no_processes": Text("proses yang tidak boleh berjalan", "processes that must not run"),
    "no_pending_reboot": Text("tidak menunggu nyala ulang", "no reboot is pending"),
    "package_manager_free": Text("pengelola paket tidak sedang dipakai", "the package manager is not in use"),
    "administrator": Text("hak administrator diperlukan", "administrator rights are needed"),
    "at_least": Text("paling sedikit", "at least"),
    "at_most": Text("paling banyak", "at most"),
    "install": Text("langkah 5: tindakan pemasangan", "step 5: actions that install"),
    "run": Text("langkah 6: tindakan yang menjalankan", "step 6: actions that start it"),
    "test": Text("langkah 7: uji bawaan", "step 7: default test"),
    "configure": Text("langkah 9 dan 10: konfigurasi", "steps 9 and 10: configuration"),
    "decision": Text("always, never, atau ask (orang memutuskan)", "always, never, or ask (a person decides)"),
    "attempts": Text("berapa kali langkah 11 boleh kembali ke 10", "how often step 11 may send it back to 10"),
    "actions": Text("tindakan konfigurasi", "actions that configure"),
    "verify": Text("langkah 11: verifikasi konfigurasi", "step 11: verification of the configuration"),
    "uninstall": Text(
        "langkah 8: hanya yang tidak diketahui pembatalan tindakan", "step 8: only what undoing the actions cannot know"
    ),
    "watch": Text("jalur tambahan yang dibandingkan sebelum dan sesudah", "further paths compared before and after"),
    "deb": Text("paket Debian", "Debian packages"),
    "archive": Text("arsip ke folder berversi di balik tautan", "an archive into a versioned folder behind a link"),
    "msi": Text("paket Windows Installer", "a Windows Installer package"),
    "exe": Text("program pemasang Windows", "a Windows set-up program"),
    "registry": Text("nilai registri Windows", "a value of the Windows registry"),
    "file": Text("berkas", "a file"),
    "service": Text("layanan", "a service"),
    "command": Text("perintah", "a command"),
    "process": Text("proses", "a process"),
    "port": Text("port jaringan", "a network port"),
    "http": Text("jawaban HTTP", "an HTTP answer"),
    "log": Text("catatan sejak proses ini dimulai", "what was logged since the run began"),
    "program": Text("entri di daftar program Windows", "an entry among Windows' programs"),
    "payload": Text("nama di bawah payloads", "a name under payloads"),
    "packages": Text(
        "paket dari apt komputer itu: nama atau nama=versi", "packages of the computer's own apt: name or name=version"
    ),
    "into": Text("folder yang memuat releases/ dan tautannya", "the folder that holds releases/ and the link"),
    "link": Text("nama tautan ke versi yang dipakai", "name of the link to the version in use"),
    "strip": Text("bagian depan jalur yang dibuang", "leading parts of paths to drop"),
    "path": Text("jalur mutlak", "an absolute path"),
    "content": Text("isi berkas", "the file's content"),
    "template": Text("berkas template (Jinja) di folder playbook", "a template file (Jinja) in the playbook's folder"),
    "mode": Text('hak berkas dalam oktal: "0644"', 'permissions in octal: "0644"'),
    "owner": Text("pemilik", "owner"),
    "group": Text("kelompok pemilik", "owning group"),
    "state": Text("keadaan yang diminta", "the state asked for"),
    "enabled": Text("menyala sendiri saat komputer dinyalakan", "starts with the computer"),
    "stable_for": Text("harus bertahan selama ini", "must stay so for this long"),
    "define": Text("unit layanan yang dibuatkan", "a service unit to be written"),
    "argv": Text("perintah dan argumennya, tanpa shell", "the command and its arguments, no shell"),
    "shell": Text("satu baris untuk shell, hanya bila terpaksa", "one line for the shell, only where it must be"),
    "creates": Text("jalur yang ada bila sudah dikerjakan", "a path that exists once it is done"),
    "unless": Text("tidak dikerjakan bila perintah ini berhasil", "not done where this command succeeds"),
    "undo": Text("perintah yang membatalkannya", "the command that takes it back"),
    "environment": Text("variabel lingkungan", "environment variables"),
    "directory": Text("folder kerja", "working folder"),
    "ok_codes": Text("kode keluar yang berarti berhasil", "exit codes that mean success"),
    "timeout": Text("batas waktu satu kali", "time limit of one try"),
    "within": Text("berapa lama terus dicoba", "how long to keep asking"),
    "name": Text("nama", "name"),
    "version": Text("versi, dalam tanda kutip", "version, in quotes"),
    "publisher": Text("penerbit", "publisher"),
    "licence": Text("lisensi", "licence"),
    "about": Text("satu kalimat tentangnya, dua bahasa", "one sentence about it, both languages"),
    "url": Text("alamat", "address"),
    "sha256": Text(
        "SHA-256 berkasnya, dicocokkan dengan penerbit", "the file's SHA-256, compared with the publisher's"
    ),
    "status": Text("status HTTP yang diharapkan", "HTTP status expected"),
    "method": Text("metode HTTP", "HTTP method"),
    "contains": Text("teks yang harus ada", "text that must be there"),
    "matches": Text("ungkapan reguler yang harus cocok", "a regular expression that must match"),
    "absent": Text("ungkapan reguler yang tidak boleh muncul", "a regular expression that must not appear"),
    "json": Text("jalur di dalam JSON → nilai", "path within the JSON → value"),
    "headers": Text("nama kepala → ungkapan reguler", "header name → regular expression"),
    "ca_file": Text("sertifikat penjamin", "certificate authority"),
    "insecure": Text("jangan periksa sertifikat", "do not check the certificate"),
    "exit_code": Text("kode keluar yang diharapkan", "exit code expected"),
    "stdout_matches": Text("pola pada keluaran", "pattern in the output"),
    "stderr_matches": Text("pola pada keluaran galat", "pattern in the error output"),
    "protocol": Text("tcp atau udp", "tcp or udp"),
    "address": Text("alamat tempat mendengarkan", "address it listens on"),
    "cmdline": Text("ungkapan reguler atas baris perintah", "regular expression on the command line"),
    "count": Text("berapa banyak", "how many"),
    "user": Text("pengguna", "user"),
    "exists": Text("ada atau tidak", "whether it exists"),
    "digest": Text("SHA-256 isinya", "SHA-256 of its content"),
    "is": Text("file, directory, atau link", "file, directory or link"),
    "unit": Text("unit systemd", "systemd unit"),
    "pattern": Text("ungkapan reguler dengan satu grup", "regular expression with one group"),
    "equals": Text("harus sama dengan", "must equal"),
    "range": Text('rentang versi: ">=12,<14"', 'version range: ">=12,<14"'),
    "package": Text("nama paket", "package name"),
    "key": Text("kunci registri", "registry key"),
    "value": Text("nama nilai", "value name"),
    "data": Text("isi nilai", "value data"),
    "type": Text("jenis nilai", "value type"),
    "properties": Text("properti msiexec", "msiexec properties"),
    "reboot": Text("never atau allow", "never or allow"),
    "maker": Text("pembuat program pemasang", "maker of the set-up program"),
    "silent": Text("argumen untuk pemasangan senyap", "arguments of a silent installation"),
    "detect": Text("entri yang membuktikan sudah terpasang", "the entry that proves it installed"),
    "description": Text("keterangan", "description"),
    "id": Text("dalam bahasa Indonesia", "in Indonesian"),
    "en": Text("dalam bahasa Inggris", "in English"),
}


def json_schema(language: Language = "en") -> dict[str, Any]:
    """JSON Schema 2020-12 of playbook.yaml, with what each word means in one language."""
    from controller.playbook.models import Format

    schema = Format.model_json_schema(by_alias=True, mode="validation")
    for model in [schema, *schema.get("$defs", {}).values()]:
        properties = model.get("properties", {})
        for word, property_ in properties.items():
            if word in WORDS:
                properties[word] = {**_no_null(property_), "description": WORDS[word].say(language)}
        if model.get("title") in ("Action", "Probe"):
            model |= {"minProperties": 1, "maxProperties": 1}
    title = Text("Playbook Pasang", "Pasang playbook").say(language)
    return {"$schema": DIALECT, **schema, "title": title}


def _no_null(property_: dict[str, Any]) -> dict[str, Any]:
    """Without the ``null`` that an optional word has in Python, which nobody writes."""
    branches = [b for b in property_.get("anyOf", ()) if b != {"type": "null"}]
    rest = {k: v for k, v in property_.items() if k not in ("anyOf", "title", "default")}
    if property_.get("default") is not None:
        rest["default"] = property_["default"]
    if len(branches) == 1:
        return {**branches[0], **rest}
    return {"anyOf": branches, **rest} if branches else rest
