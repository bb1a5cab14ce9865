"""Who waits at a port: that something does, that it is the right program, or that nothing does."""

from __future__ import annotations

from agent.probes import Answer
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.host.sockets import Socket

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
    needed = needed_of(spec)
    found = sockets_at(spec, host)
    if found is None:
        reason = text("daftar soket komputer ini tidak dapat dibaca", "this computer's sockets cannot be listed")
        return Answer("unknown", needed=needed, found="?", reason=reason, final=True)
    wanted = str(spec.get("process") or "")
    if spec.get("state") == "free":
        if not found:
            return Answer("passed", needed=needed, found="free")
        return Answer(
            "failed",
            needed=needed,
            found=described(found, host),
            reason=text("port sudah dipakai", "the port is in use"),
        )
    if not found:
        reason = text("tidak ada yang mendengarkan di port itu", "nothing waits at that port")
        return Answer("failed", needed=needed, found="free", reason=reason)
    if not wanted:
        return Answer("passed", needed=needed, found=", ".join(addresses(found)))
    return judge_owner(wanted, found, needed)


def judge_owner(wanted: str, found: list[Socket], needed: str) -> Answer:
    """Whether one of the sockets' holders is the program asked for."""
    from agent.host.processes import CannotTell, holders

    where = ", ".join(addresses(found))
    try:
        owners = holders({socket.inode for socket in found}, wanted)
    except CannotTell:
        owners = {}
    if not owners:
        reason = text(
            "tidak dapat diketahui program mana yang memegang port itu (perlu hak administrator)",
            "cannot be told which program holds the port (needs an administrator's rights)",
        )
        return Answer("unknown", needed=needed, found=where + " ?", reason=reason)
    names = sorted({process.name for process in owners.values()})
    seen = f"{where} {', '.join(names)}"
    if any(wanted in process.names for process in owners.values()):
        return Answer("passed", needed=needed, found=seen)
    reason = text(
        f"port dipegang {', '.join(names)}, bukan {wanted}", f"the port is held by {', '.join(names)}, not {wanted}"
    )
    return Answer("failed", needed=needed, found=seen, reason=reason)


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
    from agent.host.processes import CannotTell, holders

    try:
        names = sorted({process.name for process in holders({socket.inode for socket in found}).values()})
    except CannotTell:
        names = []
    return " ".join([", ".join(addresses(found)), ", ".join(names)]).strip()


def addresses(found: list[Socket]) -> list[str]:
    """The addresses, as people write them, each once."""
    shown = {(f"[{one.address}]" if ":" in one.address else one.address) + f":{one.port}" for one in found}
    return sorted(shown)


def needed_of(spec: dict[str, Any]) -> str:
    """What is asked, as a short line."""
    where = f"{spec['address']}:" if spec.get("address") else ""
    state = "free" if spec.get("state") == "free" else spec.get("process") or "listening"
    return f"{where}{spec['port']}/{spec.get('protocol') or 'tcp'} {state}"
