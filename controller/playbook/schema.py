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
    "ports_free": Text(
        "port TCP yang harus bebas; versi sebelumnya boleh memegangnya",
        "TCP ports that must be free; the version before may hold them",
    ),
    "commands": Text("perintah yang harus ada", "commands that must exist"),
    "processes": Text("proses yang harus berjalan", "processes that must run"),
    "no_processes": Text("proses yang tidak boleh berjalan", "processes that must not run"),
    "no_pending_reboot": Text("tidak menunggu nyala ulang", "no reboot is pending"),
    "package_manager_free": Text(
        "pengelola paket (atau Windows Installer) tidak sedang dipakai",
        "the package manager (or Windows Installer) is not in use",
    ),
    "edition": Text("edisi Windows, misalnya Professional", "Windows' edition, for example Professional"),
    "build": Text('build Windows, misalnya ">=19045"', 'Windows\' build, for example ">=19045"'),
    "role": Text("workstation atau server", "workstation or server"),
    "domain": Text("anggota domain ini, atau any", "a member of this domain, or any"),
    "dotnet_framework": Text("versi .NET Framework", "version of .NET Framework"),
    "dotnet": Text(
        ".NET: runtime, desktop atau aspnet, dengan versinya", ".NET: runtime, desktop or aspnet, with its version"
    ),
    "vc_runtime": Text("versi runtime Visual C++", "version of Visual C++'s runtime"),
    "administrator": Text("hak administrator diperlukan", "administrator rights are needed"),
    "strict": Text("yang tidak dapat dipastikan dianggap tidak terpenuhi", "what could not be told counts as not met"),
    "at_least": Text("paling sedikit", "at least"),
    "at_most": Text("paling banyak", "at most"),
    "install": Text("langkah 5: tindakan pemasangan", "step 5: actions that install"),
    "run": Text("langkah 6: tindakan yang menjalankan", "step 6: actions that start it"),
    "test": Text("langkah 7: uji bawaan", "step 7: default test"),
    "configure": Text("langkah 9 dan 10: konfigurasi", "steps 9 and 10: configuration"),
    "decision": Text("always, never, atau ask (orang memutuskan)", "always, never, or ask (a person decides)"),
    "attempts": Text(
        "berapa kali langkah 10 dicoba sebelum dicopot", "how often step 10 is tried before the software is taken back"
    ),
    "actions": Text("tindakan konfigurasi", "actions that configure"),
    "verify": Text("langkah 11: verifikasi konfigurasi", "step 11: verification of the configuration"),
    "uninstall": Text(
        "langkah 8: hanya yang tidak diketahui pembatalan tindakan", "step 8: only what undoing the actions cannot know"
    ),
    "watch": Text(
        "jalur, atau kunci registri, tambahan yang dibandingkan sebelum dan sesudah",
        "further paths, or keys of the registry, compared before and after",
    ),
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
    "enabled": Text(
        "menyala sendiri saat komputer dinyalakan; di Windows juga manual, delayed, disabled",
        "starts with the computer; on Windows also manual, delayed, disabled",
    ),
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
    "stall": Text("boleh tanpa kemajuan selama ini", "may go this long without getting on"),
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
    "reboot": Text(
        "nyalakan ulang sesudahnya: never, if_needed (bila komputer menunggunya), atau always",
        "reboot after it: never, if_needed (where the computer waits for one), or always",
    ),
    "reboot_window": Text(
        "jam komputer boleh dinyalakan ulang, menurut jam komputer itu",
        "when the computer may be rebooted, by its own clock",
    ),
    "from": Text('dari jam, misalnya "18:00"', 'from this time of day, for example "18:00"'),
    "to": Text("sampai jam", "until this time of day"),
    "alone": Text(
        "yang diputuskan agen sendiri bila lama tidak ada pengendali",
        "what the agent decides by itself when no controller has asked for long",
    ),
    "after": Text("sesudah selama ini tanpa pengendali", "after so long without a controller"),
    "then": Text(
        "keep_proved (pertahankan yang terbukti), take_back (kembalikan), atau wait (tunggu orang)",
        "keep_proved, take_back, or wait (for a person)",
    ),
    "transforms": Text("berkas .mst, nama di bawah payloads", ".mst files, names under payloads"),
    "features": Text("fitur MSI yang dipasang", "features of the MSI that are installed"),
    "replace": Text(
        "boleh mengganti versi yang tidak dapat dikembalikan", "may replace a version that cannot be brought back"
    ),
    "view": Text("registri program 64 atau 32 bit", "the registry of 64-bit or of 32-bit programs"),
    "maker": Text("pembuat program pemasang", "maker of the set-up program"),
    "silent": Text("argumen untuk pemasangan senyap", "arguments of a silent installation"),
    "detect": Text("yang membuktikan sudah terpasang", "what proves it installed"),
    "description": Text("keterangan", "description"),
    "id": Text("dalam bahasa Indonesia", "in Indonesian"),
    "en": Text("dalam bahasa Inggris", "in English"),
}


def json_schema(language: Language = "en") -> dict[str, Any]:
    """JSON Schema 2020-12 of playbook.yaml, with what each word means in one language."""
    from controller.playbook.models import Format

    schema = Format.model_json_schema(by_alias=True, mode="validation")
    for model in [schema, *schema.get("$defs", {}).values()]:
        model.pop("description", None)  # the models' own, in the language of the code
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
