"""What stands between this controller and a computer: every part of the way looked at in order, until one fails.

The way is gone as a run goes it, with the same transport and the same agent; what fails says itself which part it is of
(``HostError.about``). What lies behind it has not been seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.errors import HostError
from controller.form.wording import size
from controller.inventory import Connection, Host
from controller.run.contact import Frame, answer
from controller.run.held import of_computer
from controller.runtime import Runtime
from controller.text import Text, same
from controller.transport import Options, connect

LOOKS: Mapping[str, Text] = {
    "name": Text("nama", "name"),
    "port": same("port"),
    "tls": Text("sertifikat", "certificate"),
    "key": Text("kunci host", "host key"),
    "login": Text("masuk", "login"),
    "quota": Text("kuota", "quota"),
    "rights": Text("hak", "rights"),
    "python": same("Python"),
    "disk": same("disk"),
    "agent": Text("agen", "agent"),
    "lock": Text("pemakai", "holder"),
}
"""Everything that is looked at, in the order of the way."""
ON_THE_WAY = {
    "ssh": ("name", "port", "key", "login"),
    "winrm": ("name", "port", "tls", "login", "quota"),
}
"""Of it, what is known to be right once there is a connection, by its kind."""
AT_THE_END = ("rights", "python", "disk", "agent", "lock")
"""What is known of any computer once its agent has answered."""
PLAIN = r"[\w.:@-]+"
"""Names that shells take as they are."""
QUOTED = r"[\w .@\\-]+"
"""Names that cmd takes as they are within quotes: ``KOTA\\ani``."""
LEAST_BYTES = 512 * 1024 * 1024
"""With less room there is little that could be installed."""
HTTP_PORT, HTTPS_PORT = 5985, 5986
"""Of WinRM, without TLS and with it."""
LISTEN_TLS = "winrm quickconfig -transport:https"
UNCHECKED = "(not checked)"
"""As ``Transport.describe`` says of a computer that need not prove who it is."""
OK, WARNING, FAILED, UNSEEN = "ok", "warning", "failed", "unseen"


@dataclass(frozen=True)
class Finding:
    """What one look came to."""

    look: str
    """One of ``LOOKS``."""
    verdict: str
    """``ok``, ``warning`` (much can be done all the same), ``failed``, or ``unseen``: something before it failed."""
    found: Text
    hint: Text | None = None
    """What to do about it."""
    command: str = ""
    """A command that mends it, here or on the computer; empty where none does."""

    def as_json(self) -> dict[str, object]:
        """For programs."""
        hint = self.hint.as_json() if self.hint else None
        found = self.found.as_json() if self.found.en else None
        return {
            "look": self.look,
            "verdict": self.verdict,
            "found": found,
            "hint": hint,
            "command": self.command or None,
        }


def examine(host: Host, runtime: Runtime, *, options: Options, owner: str) -> list[Finding]:
    """Go the whole way to a computer, and look at what a run would need there.

    Args:
        host: of the inventory.
        runtime: what is sent there.
        options: of the transports.
        owner: who asks, as other controllers are told.

    Returns:
        A finding for every look that its kind of connection has, in order.
    """
    connection = host.connection
    way = ON_THE_WAY.get(connection.kind, ())
    try:
        with connect(connection, options=options) as transport:
            told = transport.describe()
        said = answer(host, {"do": "facts", "owner": owner}, runtime=runtime, options=options)
    except HostError as error:
        return _up_to(error, [*way, *AT_THE_END], host)
    seen = {
        "name": connection.address,
        "port": told["address"],
        "key": told["host_key"],
        "tls": told["host_key"],
        "login": told["user"],
    }
    passed = [Finding(look, OK, same(seen.get(look, ""))) for look in way]
    if told["host_key"] == UNCHECKED and "tls" in way:
        passed[way.index("tls")] = _unchecked(host)
    return [*passed, *_rights(said, host), *_room(said, host), *_holder(said)]


def _up_to(error: HostError, looks: Sequence[str], host: Host) -> list[Finding]:
    """What is known where the way ends: it was right so far, ends there for a reason, and nothing of the rest."""
    at = looks.index(error.about) if error.about in looks else looks.index("agent")
    problem, nothing = error.problems[0], same("")
    # Only its agent tells of a computer: where that does not answer, nothing of what it would have told is known.
    known = [look for look in looks[:at] if look not in AT_THE_END]
    findings = [Finding(look, OK if look in known else UNSEEN, nothing) for look in looks]
    findings[at] = Finding(looks[at], FAILED, problem.what, problem.hint, command_for(looks[at], host))
    return findings


def _unchecked(host: Host) -> Finding:
    """Who answers for a Windows computer could be anybody on the line."""
    what = Text("tidak diperiksa", "not checked")
    if _is_https(host.connection):
        hint = Text(
            "sebut CA-nya di ansible_winrm_ca_trust_path dan hapus ansible_winrm_server_cert_validation: ignore; "
            "sertifikatnya diambil dengan",
            "name its CA in ansible_winrm_ca_trust_path and take out ansible_winrm_server_cert_validation: ignore; "
            "its certificate is fetched by",
        )
        return Finding("tls", WARNING, what, hint, command_for("tls", host))
    hint = Text(
        "http: isi pesan terenkripsi oleh NTLM, tetapi siapa yang menjawab tidak terbukti; pakai https (5986)",
        "http: what is said is encrypted by NTLM, but who answers is not proved; use https (5986)",
    )
    return Finding("tls", WARNING, what, hint, LISTEN_TLS)


def _rights(said: Frame, host: Host) -> Iterator[Finding]:
    facts = said["facts"]
    if facts["administrator"]:
        yield Finding("rights", OK, same("administrator"))
    else:
        hint = (
            Text(
                "program dan layanan tidak dapat dipasang; masuk sebagai administrator",
                "programs and services cannot be installed; log in as an administrator",
            )
            if host.connection.system == "windows"
            else Text(
                "paket dan layanan sistem tidak dapat dipasang; isi ansible_become: true, atau pakai pengguna lain",
                "packages and services cannot be installed; set ansible_become: true, or use another user",
            )
        )
        what = Text("bukan administrator", "not an administrator")
        yield Finding("rights", WARNING, what, hint, command_for("rights", host))
    yield Finding("python", OK, same(facts["python"]))


def _room(said: Frame, host: Host) -> Iterator[Finding]:
    free_bytes, path = int(said["room"]["free_bytes"]), said["room"]["path"]
    free = Text(f"{path}: {size(free_bytes).id} bebas", f"{path}: {size(free_bytes).en} free")
    if free_bytes >= LEAST_BYTES:
        yield Finding("disk", OK, free)
    else:
        hint = Text("kosongkan disk itu; simpanan Pasang dihapus dengan", "make room; what Pasang keeps there goes by")
        yield Finding("disk", WARNING, free, hint, command_for("disk", host))


def _holder(said: Frame) -> Iterator[Finding]:
    title = str(said["facts"].get("title") or "")
    yield Finding("agent", OK, same(title))
    if said.get("holder"):
        holder = of_computer(said["holder"])
        yield Finding("lock", WARNING, holder.told(), holder.hint())
    else:
        yield Finding("lock", OK, Text("bebas", "free"))


def _is_https(way: Connection) -> bool:
    """Whether WinRM is asked inside TLS, for which Windows must be set up apart: see ``controller.transport.winrm``."""
    scheme = str(way.extra.get("ansible_winrm_scheme") or "").lower()
    return scheme == "https" or (scheme != "http" and way.port != HTTP_PORT)


def command_for(look: str, host: Host) -> str:
    """The command that mends what a look found; empty where there is none for this kind of connection.

    Also where a name would mean more than itself to a shell: what is printed here is typed by people.
    """
    way = host.connection
    user, port = way.user or "root", way.port or 22
    person = QUOTED if way.kind == "winrm" else PLAIN
    domain, _, account = user.rpartition("\\")
    if not (re.fullmatch(person, user) and re.fullmatch(PLAIN, way.address) and re.fullmatch(PLAIN, host.name)):
        return ""
    of_kind = {
        ("ssh", "name"): f"echo 'IP {way.address}' | sudo tee -a /etc/hosts",
        ("ssh", "port"): f"sudo apt install openssh-server; sudo systemctl enable --now ssh; sudo ufw allow {port}/tcp",
        ("ssh", "key"): f"pasang hosts trust -l {host.name}",
        ("ssh", "login"): f"ssh-copy-id -p {port} {user}@{way.address}",
        ("ssh", "rights"): f"echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/pasang",
        ("ssh", "python"): "sudo apt install python3",
        ("winrm", "name"): f"echo 'IP {way.address}' | sudo tee -a /etc/hosts",
        ("winrm", "port"): LISTEN_TLS if _is_https(way) else "winrm quickconfig",
        ("winrm", "quota"): "Restart-Service WinRM",
        ("winrm", "tls"): f"openssl s_client -connect {way.address}:{way.port or HTTPS_PORT} </dev/null | openssl x509",
        ("winrm", "login"): f'net user "{account}" *' + (" /domain" if domain else ""),
        ("winrm", "rights"): f'net localgroup Administrators "{user}" /add',
        ("winrm", "python"): "pasang runtime add python-3.13.5-embed-amd64.zip",
    }
    return f"pasang hosts clean -l {host.name}" if look == "disk" else of_kind.get((way.kind, look), "")
