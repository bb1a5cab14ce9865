"""What a person is told when SSH does not come about: paramiko's exceptions mapped, once."""

from __future__ import annotations

from controller.errors import AccessRefused, HostError, HostKeyError, Unreachable
from controller.text import Text
from controller.transport.base import lost
from controller.transport.ssh.dial import Again
from controller.transport.ssh.hostkeys import HostKey
from controller.transport.ssh.library import paramiko


def no_greeting(where: str, error: Exception) -> Exception:
    """Before the host's key was known."""
    said = str(error) or type(error).__name__
    if isinstance(error, paramiko.IncompatiblePeer | paramiko.MessageOrderError) or "ignature" in said:
        return Unreachable(
            Text(f"SSH komputer itu tidak cocok: {said}", f"its SSH does not fit ours: {said}"),
            where=where,
            hint=Text("perbarui sshd di komputer itu", "update sshd on that computer"),
        )
    if "protocol version" in said:
        return Unreachable(
            Text("yang menjawab di port itu bukan SSH", "what answers on that port is not SSH"),
            where=where,
            hint=Text("periksa ansible_port", "check ansible_port"),
        )
    # Source: sshd_config(5), MaxStartups: connections above the limit are dropped at random.
    return Again(
        Unreachable(
            Text("sshd menutup sambungan sebelum menyapa", "sshd closed the connection before greeting"),
            where=where,
            hint=Text(
                "sshd mungkin terlalu sibuk (MaxStartups) atau menolak alamat ini; lihat log sshd",
                "sshd may be too busy (MaxStartups) or reject this address; see its log",
            ),
        )
    )


def not_let_in(where: str, user: str, tried: list[str], allowed: set[str] | None) -> AccessRefused:
    """Every method was refused."""
    list_id = "; ".join(tried) or "tidak ada"
    list_en = "; ".join(tried) or "nothing"
    taken = ", ".join(sorted(allowed or ()))
    return AccessRefused(
        Text(f"{user} tidak diizinkan masuk; dicoba: {list_id}", f"{user} was not let in; tried: {list_en}"),
        where=where,
        hint=Text(
            "periksa ansible_user, ansible_ssh_private_key_file atau kata sandi"
            + (f"; server menerima {taken}" if taken else ""),
            "check ansible_user, ansible_ssh_private_key_file or the password"
            + (f"; the server takes {taken}" if taken else ""),
        ),
    )


def unknown_key(where: str, key: HostKey) -> HostKeyError:
    """Nobody has vouched for this host yet."""
    return HostKeyError(
        Text(
            f"kunci host belum dikenal: {key.type} {key.fingerprint}",
            f"the host key is not known yet: {key.type} {key.fingerprint}",
        ),
        where=where,
        hint=Text(
            "bandingkan sidik jari itu di komputernya, lalu jalankan `pasang hosts trust -l HOST`",
            "compare that fingerprint at the computer, then run `pasang hosts trust -l HOST`",
        ),
    )


def changed_key(where: str, key: HostKey) -> HostKeyError:
    """It is not the key that was trusted: another computer, or the same one set up anew."""
    return HostKeyError(
        Text(
            f"kunci host BERUBAH: kini {key.type} {key.fingerprint}",
            f"the host key has CHANGED: it is now {key.type} {key.fingerprint}",
        ),
        where=where,
        hint=Text(
            "jangan lanjut sebelum tahu sebabnya; bila komputer memang dipasang ulang: `pasang hosts trust -l HOST`",
            "do not go on before you know why; if it was set up anew: `pasang hosts trust -l HOST`",
        ),
    )


def revoked_key(where: str, key: HostKey) -> HostKeyError:
    """known_hosts says that this key was stolen or given up."""
    return HostKeyError(
        Text(f"kunci host telah dicabut: {key.fingerprint}", f"the host key is revoked: {key.fingerprint}"),
        where=where,
        hint=Text("buat kunci host baru di komputer itu", "make a new host key on that computer"),
    )


def no_command(where: str, error: Exception, *, alive: bool) -> HostError:
    """We are in, and nothing may be started."""
    if not alive:
        return lost(where, because=str(error))
    return AccessRefused(
        Text(f"komputer itu tidak mau menjalankan perintah: {error}", f"it starts no command: {error}"),
        where=where,
        hint=Text(
            "periksa ForceCommand dan MaxSessions di sshd_config", "check ForceCommand and MaxSessions in sshd_config"
        ),
    )
