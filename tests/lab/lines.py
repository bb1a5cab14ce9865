"""Long and unreliable lines to the computers of a lab: a forwarder on an address of its own for each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.hosts import Host
from tests.lab.lab import Lab


@contextmanager
def forwarded(
    lab: Lab, hosts: Sequence[Host], *, delay_ms: float = 0, port: int = 22, options: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Forward `port` of every host for a `with` block; yield host name -> the address to connect to instead.

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
    forwarder = subprocess.Popen(
        lab.argv_inside(argv), cwd=project, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert forwarder.stdout is not None
    assert forwarder.stderr is not None
    try:
        if forwarder.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the forwarder did not start: {forwarder.stderr.read()}")
        yield addresses
    finally:
        forwarder.terminate()
        forwarder.wait()
        forwarder.stdout.close()
        forwarder.stderr.close()
