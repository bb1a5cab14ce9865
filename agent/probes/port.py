"""Who waits at a port: that something does, that it is the right program, or that nothing does."""

from __future__ import annotations

from agent.probes import Answer, CannotTell, judged
from agent.protocol import text
from agent.words import FREE, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.host.sockets import Socket
    from agent.words import Words

ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    port = f"{spec['port']}/{spec.get('protocol') or 'tcp'}"
    if spec.get("state") == "free":
        return text(f"Port {port} bebas", f"Port {port} is free")
    by = spec.get("process")
    return text(
        f"Port {port} dilayani" + (f" {by}" if by else ""), f"Port {port} is served" + (f" by {by}" if by else "")
    )


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Look for sockets that wait at the port, and for the processes that hold them."""
    found = sockets_at(spec, host)
    if found is None:
        reason = text("daftar soket komputer ini tidak dapat dibaca", "this computer's sockets cannot be listed")
        raise CannotTell(reason, final=True)
    if spec.get("state") == "free":
        reason = text("port sudah dipakai", "the port is in use")
        return judged(described(found, host), reason) if found else judged(FREE, None)
    if not found:
        return judged(FREE, text("tidak ada yang mendengarkan di port itu", "nothing waits at that port"))
    where, wanted = ", ".join(addresses(found)), str(spec.get("process") or "")
    return judge_owner(wanted, found, where) if wanted else judged(where, None)


def judge_owner(wanted: str, found: list[Socket], where: str) -> Answer:
    """Whether one of the sockets' holders is the program asked for."""
    from agent.host import processes

    try:
        owners = processes.holders({socket.inode for socket in found}, wanted)
    except processes.Unreadable:
        owners = {}
    if not owners:
        reason = text(
            "tidak dapat diketahui program mana yang memegang port itu (perlu hak administrator)",
            "cannot be told which program holds the port (needs an administrator's rights)",
        )
        return Answer("unknown", found=where + " ?", reason=reason)
    names = ", ".join(sorted({process.name for process in owners.values()}))
    reason = text(f"port dipegang {names}, bukan {wanted}", f"the port is held by {names}, not {wanted}")
    is_it = any(wanted in process.names for process in owners.values())
    return judged(f"{where} {names}", None if is_it else reason)


def sockets_at(spec: dict[str, Any], host: Host) -> list[Socket] | None:
    """Sockets that wait at the port (and address) asked for; None where they cannot be listed."""
    try:
        every = host.listening()
    except OSError:
        return None
    protocol, address = spec.get("protocol") or "tcp", spec.get("address")
    return [
        one
        for one in every
        if one.port == int(spec["port"])
        and one.protocol == protocol
        and (not address or serves(one.address, str(address)))
    ]


def serves(bound: str, wanted: str) -> bool:
    """Whether a socket bound to one address is reached at another.

    ``::`` takes IPv4 as well unless told otherwise. Source: ipv6(7), IPV6_V6ONLY, /proc/sys/net/ipv6/bindv6only.
    """
    bound, wanted = plain(bound), plain(wanted)
    if bound == wanted or bound == "::":
        return True
    return bound == ANY[0] and ":" not in wanted


def plain(address: str) -> str:
    """An address without brackets, zone, and the IPv6 form of an IPv4 one; ``localhost`` and ``*`` as numbers."""
    address = address.strip("[]").split("%")[0].lower()
    if address.startswith("::ffff:") and "." in address:
        address = address[7:]
    return {"localhost": "127.0.0.1", "*": ANY[0]}.get(address, address)


def described(found: list[Socket], host: Host) -> str:
    """Where something waits, and by what name it goes where that can be told."""
    from agent.host import processes

    try:
        names = sorted({process.name for process in processes.holders({socket.inode for socket in found}).values()})
    except processes.Unreadable:
        names = []
    return " ".join([", ".join(addresses(found)), ", ".join(names)]).strip()


def addresses(found: list[Socket]) -> list[str]:
    """The addresses, as people write them, each once."""
    shown = {(f"[{one.address}]" if ":" in one.address else one.address) + f":{one.port}" for one in found}
    return sorted(shown)


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    where = f"{spec['address']}:" if spec.get("address") else ""
    served = spec.get("process") or text("dilayani", "listening")
    state = FREE if spec.get("state") == "free" else served
    return line(f"{where}{spec['port']}/{spec.get('protocol') or 'tcp'}", state, between=" ")
