"""`loket`: an invented web service as a .deb, whole or broken in one of the ways in which real packages break."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from tests.lab.debs import build_deb
from tests.lab.hosts import Host

PORT = 8090
PAGE = "Loket buka"

_SERVER = '''#!/usr/bin/python3
"""Answers every GET with one page, and /versi with the version."""
import socketserver

class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1:2]
        while self.rfile.readline().strip():
            pass
        name = "versi" if path == [b"/versi"] else "index.html"
        with open("/usr/share/loket/" + name, "rb") as file:
            body = file.read()
        head = "HTTP/1.0 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        self.wfile.write(head.encode() + body)

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

port = int(open("/etc/loket/port").read())
Server(("0.0.0.0", port), Answer).serve_forever()
'''
_UNIT = """[Unit]
Description=Loket
After=network.target

[Service]
ExecStart={start}
{more}

[Install]
WantedBy=multi-user.target
"""


class Fault(Enum):
    """A way in which the package is broken."""

    POSTINST_FAILS = "postinst writes files outside of the package, then fails"
    DIES = "the service starts well and dies after two seconds, again and again"
    NEVER_STARTS = "the service ends at once with an error"
    WRONG_PAGE = "the service runs, and shows something else than promised"
    LEAVES_RESIDUE = "postinst writes files that no script of the package ever removes"
    MAKES_USER = "postinst makes a system user and group, which purge leaves"
    PRERM_FAILS = "installs well, but refuses to be removed"
    SLOW_POSTINST = "postinst takes five seconds, and is otherwise good"
    MISSING_DEPENDENCY = "depends on a package that is nowhere"


def build_loket(
    folder: Path,
    version: str = "1.0",
    fault: Fault | None = None,
    *,
    port: int = PORT,
    more_scripts: Mapping[str, str] | None = None,
) -> Path:
    """Build loket in `folder` and return the path of the .deb.

    It serves PAGE on `port` (conffile /etc/loket/port) as the service `loket`, and its version at /versi.
    A broken and a whole one of the same version have the same file name: give them different folders.
    `more_scripts` are lines added to its maintainer scripts.
    """
    start, more = "/usr/lib/loket/bin/serve", "Restart=no"
    if fault is Fault.DIES:
        start, more = "/bin/sh -c '/usr/lib/loket/bin/serve & sleep 2; kill $!; exit 3'", "Restart=always\nRestartSec=1"
    elif fault is Fault.NEVER_STARTS:
        start = "/bin/sh -c 'echo loket: no configuration >&2; exit 78'"
    page = "It works!" if fault is Fault.WRONG_PAGE else PAGE
    residue = "mkdir -p /opt/loket-sisa /var/lib/loket\necho sisa >/opt/loket-sisa/data\necho sisa >/etc/loket/sisa\n"
    configured = {
        Fault.POSTINST_FAILS: residue + "echo 'loket: the licence server does not answer' >&2\nexit 1",
        Fault.LEAVES_RESIDUE: residue + "echo '5 4 * * * root true' >/etc/cron.d/loket-sisa || true",
        Fault.MAKES_USER: "getent passwd loket >/dev/null || useradd --system --home-dir /nonexistent loket",
        Fault.SLOW_POSTINST: "sleep 5",
    }
    scripts = {"postinst": f'if [ "$1" = configure ]; then\n:\n{configured[fault]}\nfi'} if fault in configured else {}
    if fault is Fault.PRERM_FAILS:
        scripts["prerm"] = "echo 'loket: still in use' >&2\nexit 1"
    for script, lines in (more_scripts or {}).items():
        scripts[script] = f"{scripts.get(script, '')}\n{lines}"
    return build_deb(
        folder, "loket", version,
        files={
            "/usr/lib/loket/bin/serve": _SERVER,
            "/usr/share/loket/index.html": f"<h1>{page}</h1>\n",
            "/usr/share/loket/versi": f"{version}\n",
            "/etc/loket/port": f"{port}\n",
        },
        conffiles=["/etc/loket/port"],
        services={"loket": _UNIT.format(start=start, more=more)},
        scripts=scripts,
        depends="loket-tidak-ada" if fault is Fault.MISSING_DEPENDENCY else "python3:any",
    )  # fmt: skip


def hold_port(host: Host, port: int = PORT) -> None:
    """Let a service that has nothing to do with loket take `port` of a computer, until it is switched off."""
    serve = f"import socket, time; s = socket.create_server(('0.0.0.0', {port})); time.sleep(86400)"
    host.run(["systemd-run", "--quiet", f"--unit=pemakai-port-{port}", "python3", "-c", serve])
    host.run(["sh", "-c", f"for i in $(seq 100); do ss -Hltn | grep -q :{port} && exit; sleep 0.05; done; exit 1"])
