"""What a person is told when WinRM does not come about: exceptions of libraries and faults of Windows mapped, once."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from controller.errors import AccessRefused, LineLost, Unreachable
from controller.text import Text
from controller.transport.base import lost
from controller.transport.winrm import library
from controller.transport.winrm.way import Way

_TOO_MANY = (2150859173, 2150859174, 2150859172)
"""Shells of a user; operations of a user; users. Source: hashicorp/vagrant#7489, `wsmerror.h` (ERROR_WSMAN_QUOTA_…)."""
_QUOTA = "w:QuotaLimit"
_DENIED = (5, 2147942405)
NO_SHELL = 2150858843
_ENDED = {
    NO_SHELL: Text("shell di komputer itu sudah tidak ada", "the shell on that computer is gone"),
    995: Text("perintah diakhiri dari luar", "the command was ended from outside"),
    2147942487: Text("perintah sudah tidak ada", "the command is gone"),
    2147942509: Text("program tidak membaca lagi", "the program reads no more"),
}
_HINTS = {
    "ntlm": Text(
        "periksa ansible_user (DOMAIN\\nama atau nama) dan ansible_password",
        "check ansible_user (DOMAIN\\name or name) and ansible_password",
    ),
    "basic": Text(
        "periksa kata sandi; Windows menerima Basic hanya bila diizinkan: pakai ansible_winrm_transport: ntlm",
        "check the password; Windows takes Basic only where that is allowed: use ansible_winrm_transport: ntlm",
    ),
    "kerberos": Text(
        "ambil tiket dengan kinit, dan pakai nama komputer yang dikenal di domain",
        "get a ticket with kinit, and use the name by which the domain knows the computer",
    ),
    "certificate": Text(
        "periksa apakah sertifikat itu dipetakan ke pengguna di komputer itu",
        "check that the certificate is mapped to a user on that computer",
    ),
}


def no_way(way: Way, error: Exception) -> Unreachable:
    """Before there was a shell."""
    if isinstance(error, library.WSManFaultError):
        return _fault(way, error)
    if isinstance(error, library.WinRMTransportError):
        return _status(way, error.code)
    if isinstance(error, library.requests.exceptions.SSLError):
        return _tls(way, str(error))
    causes = list(_causes(error))
    if any(isinstance(c, library.urllib3.exceptions.NameResolutionError | socket.gaierror) for c in causes):
        return _unreachable(
            way, "nama komputer tidak dikenal", "the name is unknown", "periksa ansible_host", "check ansible_host"
        ).of("name")
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
    if errno.ECONNREFUSED in numbers:
        setting_up = "winrm quickconfig -transport:https" if way.tls else "winrm quickconfig"  # without it 5985 alone
        return _unreachable(
            way,
            "sambungan ditolak; tidak ada WinRM di port itu",
            "connection refused; no WinRM on that port",
            f"periksa ansible_port, dan jalankan `{setting_up}` di komputer itu",
            f"check ansible_port, and run `{setting_up}` on that computer",
        )
    if isinstance(error, library.requests.exceptions.Timeout | library.NothingYet | TimeoutError):
        return _unreachable(
            way,
            "tidak menjawab dalam waktunya",
            "no answer in time",
            "periksa apakah komputer menyala, alamatnya benar, dan firewall membuka port itu",
            "check that it is switched on, the address is right, and its firewall opens that port",
        )
    unrouted = numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT}
    if unrouted:
        return _unreachable(
            way,
            "tidak ada jalan ke komputer itu",
            "no way to that computer",
            "periksa jaringan dan apakah komputer menyala",
            "check the network and that it is switched on",
        )
    said = _brief(error)
    return _unreachable(
        way,
        f"yang menjawab di port itu bukan WinRM, atau putus di tengah: {said}",
        f"what answers on that port is not WinRM, or hung up: {said}",
        "periksa ansible_port dan ansible_winrm_scheme",
        "check ansible_port and ansible_winrm_scheme",
    )


def not_let_in(way: Way, tried: list[str]) -> AccessRefused:
    """Every method was refused."""
    who, list_ = way.user or "?", ", ".join(tried)
    return AccessRefused(
        Text(f"{who} tidak diizinkan masuk; dicoba: {list_}", f"{who} was not let in; tried: {list_}"),
        where=way.where,
        hint=_HINTS.get(tried[-1], _HINTS["ntlm"]),
    )


def broken(way: Way, error: Exception) -> Unreachable:
    """While there was a shell: whatever ran in it, we hear no more of it."""
    if isinstance(error, library.WSManFaultError):
        code = error.wsman_fault_code or 0
        if code in _ENDED:
            because = _ENDED[code]
            plain = lost(way.where)
            return LineLost(
                Text(f"{plain.what.id}: {because.id}", f"{plain.what.en}: {because.en}"),
                where=way.where,
                hint=plain.problems[0].hint,
            )
        if _is_quota(error):
            return _fault(way, error)
    return lost(way.where, because=_brief(error))


def _fault(way: Way, error: library.WSManFaultError) -> AccessRefused:
    reason = " ".join(str(error.reason).split())
    if _is_quota(error):
        return AccessRefused(
            Text(
                f"batas WinRM di komputer itu tercapai: {reason}",
                f"a limit of WinRM on that computer is reached: {reason}",
            ),
            where=way.where,
            hint=Text(
                "shell yang ditinggalkan berakhir sendiri (paling lama dua jam); lebih cepat: "
                "`Restart-Service WinRM` di komputer itu, atau naikkan MaxShellsPerUser",
                "shells that were left behind end by themselves (after two hours at most); sooner: "
                "`Restart-Service WinRM` on that computer, or raise MaxShellsPerUser",
            ),
        ).of("quota")
    if error.wsman_fault_code in _DENIED:
        return AccessRefused(
            Text(f"{way.user} tidak boleh memakai WinRM", f"{way.user} may not use WinRM"),
            where=way.where,
            hint=Text(
                "masukkan ke kelompok Administrators atau Remote Management Users",
                "add it to the group Administrators or Remote Management Users",
            ),
        ).of("rights")
    number = error.wsman_fault_code or error.wmierror_code or error.code
    return AccessRefused(
        Text(f"WinRM menolak (kode {number}): {reason}", f"WinRM refused (code {number}): {reason}"), where=way.where
    )


def _is_quota(error: library.WSManFaultError) -> bool:
    codes = (error.wsman_fault_code, error.wmierror_code)
    return any(code in _TOO_MANY for code in codes) or error.fault_subcode == _QUOTA


def _status(way: Way, status: int) -> Unreachable:
    """An HTTP status without a fault in it."""
    if status == 500 and not way.tls:
        hint = ("periksa ansible_winrm_message_encryption", "check ansible_winrm_message_encryption")
    elif status in (403, 404):
        hint = ("periksa ansible_port dan ansible_winrm_path", "check ansible_port and ansible_winrm_path")
    else:
        hint = ("coba lagi; lihat layanan WinRM di komputer itu", "try again; look at the WinRM service there")
    return _unreachable(way, f"WinRM menjawab HTTP {status}", f"WinRM answered HTTP {status}", *hint)


def _tls(way: Way, said: str) -> Unreachable:
    if "CERTIFICATE_VERIFY_FAILED" in said and ("mismatch" in said or "doesn't match" in said):
        return _unreachable(
            way,
            "sertifikat komputer itu berlaku untuk nama lain",
            "that computer's certificate is for another name",
            "tulis di ansible_host nama yang ada di sertifikat",
            "write in ansible_host the name that is in the certificate",
        ).of("tls")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        reason = said.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "unknown"
        return _unreachable(
            way,
            f"sertifikat komputer itu tidak dipercaya ({reason})",
            f"that computer's certificate is not believed ({reason})",
            "sebut CA-nya di ansible_winrm_ca_trust_path, atau daftarkan di sistem ini",
            "name its CA in ansible_winrm_ca_trust_path, or add it to this system's",
        ).of("tls")
    if "doesn't match" in said or "mismatch" in said:
        return _tls(way, f"CERTIFICATE_VERIFY_FAILED {said}")
    # Of requests' chain of words OpenSSL's own are enough: … SSLError(1, '[SSL: NAME] words (_ssl.c:1006)') …
    reason = said.partition("[SSL: ")[2].partition("] ")[2].partition(" (_ssl")[0] or said[-200:]
    return _unreachable(
        way,
        f"TLS tidak terjadi: {reason}",
        f"TLS did not come about: {reason}",
        "periksa ansible_winrm_scheme dan ansible_port (5985 http, 5986 https)",
        "check ansible_winrm_scheme and ansible_port (5985 http, 5986 https)",
    ).of("tls")


def _unreachable(way: Way, what_id: str, what_en: str, hint_id: str, hint_en: str) -> Unreachable:
    return Unreachable(Text(what_id, what_en), where=way.where, hint=Text(hint_id, hint_en))


def _brief(error: Exception) -> str:
    """A line of it; the chain of urllib3 is long and ends with what matters."""
    last = list(_causes(error))[-1]
    return (" ".join(str(last).split()) or type(last).__name__)[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those it was made of: requests and urllib3 put them into arguments and ``reason``."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((one for one in inner if isinstance(one, BaseException) and id(one) not in seen), None)
