"""Long and unreliable lines to the computers of a lab: a forwarder on an address of its own for each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.hosts import Host
from tests.lab.lab import Lab


class Lines(dict[str, str]):
    """Host name -> the address to connect to instead."""

    def __init__(self, addresses: Mapping[str, str], forwarder: subprocess.Popen[str]) -> None:
        super().__init__(addresses)
        self._forwarder = forwarder

    def cut(self, manner: str) -> None:
        """Cut every connection there is now, in one of the manners of `tests.lab.forward`."""
        assert self._forwarder.stdin is not None
        assert self._forwarder.stdout is not None
        self._forwarder.stdin.write(f"{manner}\n")
        self._forwarder.stdin.flush()
        if self._forwarder.stdout.readline() != "cut\n":
            raise RuntimeError("the forwarder has ended")


@contextmanager
def forwarded(
    lab: Lab, hosts: Sequence[Host], *, delay_ms: float = 0, port: int = 22, options: Sequence[str] = ()
) -> Iterator[Lines]:
    """Forward `port` of every host for a `with` block; yield where to connect to instead.

    `lab.write_inventory(path, list(addresses.items()))` makes an inventory of it; the lab's known_hosts has them all.

    Args:
        lab: whose computers `hosts` are.
        hosts: those to be reached over the line.
        delay_ms: how long every byte takes longer, each way.
        port: on both sides.
        options: more of `tests.lab.forward`, such as ("--cut-after-bytes", "100000").
    """
    addresses = {host.name: host.line_address for host in hosts}
    with lab.space.inside():
        for address in addresses.values():
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lab0"], check=True)
    routes = [f"{addresses[host.name]}:{port}={host.address}:{port}" for host in hosts]
    argv = [sys.executable, "-m", "tests.lab.forward", f"--delay-ms={delay_ms}", *options, *routes]
    project = Path(__file__).resolve().parents[2]
    pipe = subprocess.PIPE
    log = lab.folder / "forward.log"  # a pipe that nobody reads would be full one day, and hold the forwarder
    with log.open("w") as errors:
        forwarder = subprocess.Popen(
            lab.argv_inside(argv), cwd=project, env=os.environ, stdin=pipe, stdout=pipe, stderr=errors, text=True
        )
    assert forwarder.stdin is not None
    assert forwarder.stdout is not None
    try:
        if forwarder.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the forwarder did not start: {log.read_text()}")
        yield Lines(addresses, forwarder)
    finally:
        forwarder.terminate()
        forwarder.wait()
        forwarder.stdin.close()
        forwarder.stdout.close()
