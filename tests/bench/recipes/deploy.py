"""The work as a deploy of pyinfra: `pyinfra HOSTS deploy.py --data folder=… --data version=…`."""

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import files, server, systemd

_ASK = (
    "for i in $(seq 100); do python3 -c \"import urllib.request as u; a = u.urlopen('{url}', timeout=5);"
    ' assert {true}" 2>/dev/null && exit 0; sleep 0.05; done; exit 1'
)

folder = host.data.folder
if host.data.version not in (host.get_fact(DebPackages) or {}).get("nginx", ()):
    for name in ("nginx-common.deb", "nginx.deb"):
        files.put(name=name, src=f"{folder}/{name}", dest=f"/root/{name}")
    server.shell(
        name="install",
        commands=[
            "DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold -i"
            " /root/nginx-common.deb /root/nginx.deb"
        ],
    )
systemd.service(name="service", service="nginx", running=True, enabled=True)
server.shell(name="page", commands=[_ASK.format(url="http://127.0.0.1/", true="b'Welcome to nginx' in a.read()")])
written = files.put(name="configuration", src=f"{folder}/bench.conf", dest="/etc/nginx/conf.d/bench.conf")
systemd.service(name="reload", service="nginx", reloaded=True, _if=written.did_change)
server.shell(name="verify", commands=[_ASK.format(url="http://127.0.0.1:8081/", true="a.status == 204")])
