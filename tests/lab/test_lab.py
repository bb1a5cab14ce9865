"""The lab proves itself: real computers, reachable from their own network only, read truly from outside."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.lab.bases import BASES, PASSWORD
from tests.lab.debs import NGINX, build_deb, nginx, write_repository
from tests.lab.fixtures import Boot
from tests.lab.forward import HANG, MANNERS, RESET
from tests.lab.hosts import Host
from tests.lab.invented import PAGE, PORT, Fault, build_loket, hold_port
from tests.lab.lab import Lab, remove_dead_labs, running_labs
from tests.lab.lines import forwarded
from tests.lab.readout import LIVES, packages, ports, read, tree
from tests.lab.space import wait_until


def _http(host: Host, path: str = "/", port: int = 80) -> str:
    """What the computer answers to itself (the bases have no curl)."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}{path}').read().decode())"
    return host.run(["python3", "-c", ask], check=False).stdout


def _says(host: Host, argv: list[str], wanted: str) -> bool:
    return wanted in host.run(argv, check=False).stdout.split()


def _wait_for_boot(host: Host) -> None:
    """Wait until everything has started, and nothing has failed."""
    running = partial(_says, host, ["systemctl", "is-system-running"], "running")
    wait_until(running, timeout_s=10, what=f"{host.spec.base} running", every_s=0.1)


def _put(host: Host, *files: Path) -> list[str]:
    for file in files:
        (host.root / "root" / file.name).write_bytes(file.read_bytes())
    return [f"/root/{file.name}" for file in files]


@pytest.mark.parametrize("base", BASES)
def test_base_boots_a_real_systemd_with_the_python_it_promises(boot: Boot, lab: Lab, base: str) -> None:
    (host,) = boot(base)
    _wait_for_boot(host)
    assert Path(f"/proc/{host.leader_pid}/comm").read_text().strip() == "systemd"
    promised = BASES[base].python
    if promised is None:
        assert host.run(["sh", "-c", "ls /usr/bin/python* 2>&1"], check=False).returncode != 0
    else:
        assert host.run(["python3", "--version"]).stdout.startswith(f"Python {promised}.")
    assert ports(host) == {"tcp 0.0.0.0:22": "sshd", "tcp [::]:22": "sshd"}
    for user in ("root", "petugas"):
        said = subprocess.run(lab.ssh_argv(host, "sudo -n id -un; hostname", user=user), capture_output=True, text=True)
        assert said.stdout.split() == ["root", host.name], said.stderr
    asked = subprocess.run(
        lab.ssh_argv(host, "sudo -n true || sudo -S -p '' id -un", user="operator"),
        input=f"{PASSWORD}\n", capture_output=True, text=True,
    )  # fmt: skip
    assert asked.stdout.strip() == "root"
    assert "password is required" in asked.stderr


def test_computers_are_reached_from_their_own_network_only(boot: Boot, lab: Lab) -> None:
    (host,) = boot()
    with lab.inside(), socket.create_connection((host.address, 22), timeout=5) as connection:
        assert connection.recv(4) == b"SSH-"
    # No cable leads out or in. (Asking an address of the lab from outside would ask somebody else's network.)
    outside = {row["ifname"] for row in json.loads(subprocess.check_output(["ip", "-json", "link"]))}
    inside = {row["ifname"] for row in json.loads(lab.run_inside(["ip", "-json", "link"]).stdout)}
    assert inside - {"lo"} == {"lab0", *(f"port{other.number}" for other in lab.hosts.values())}
    assert not outside & (inside - {"lo"})
    assert lab.run_inside(["ip", "-4", "route"]).stdout.split()[:3] == ["10.77.0.0/16", "dev", "lab0"]
    away = lab.run_inside(["ip", "route", "get", "192.0.2.1"])
    assert "unreachable" in away.stderr
    assert host.run(["ip", "-4", "-o", "address", "show", "scope", "global"]).stdout.split()[3] == f"{host.address}/16"


def test_tree_sees_every_kind_of_change(boot: Boot) -> None:
    (host,) = boot()
    host.run(["sh", "-c", "echo a >/etc/isi; echo a >/etc/pergi; ln -s isi /etc/taut; mkdir /opt/m; touch /opt/m/hak"])
    before = read(host)
    assert before.difference(read(host)) == {}
    host.run(["sh", "-c", "echo b >/etc/isi; rm /etc/pergi; ln -sfn lain /etc/taut; chown petugas /opt/m"])
    host.run(["sh", "-c", "chmod 600 /opt/m/hak; echo c >/opt/m/baru; groupadd tamu; mkdir /opt/n; chmod 711 /srv"])
    host.run(["sh", "-c", "systemctl mask dbus.socket; systemctl stop dbus.socket; systemd-run --unit=x sleep 60"])
    ignore = ["/etc/*-", "/etc/group", "/etc/gshadow"]
    assert before.difference(read(host), ignore=[*ignore, *LIVES]) == {
        "/etc/isi": "changed",
        "/etc/pergi": "removed",
        "/etc/taut": "changed",
        "/opt/m": "changed",
        "/opt/m/hak": "changed",
        "/opt/m/baru": "added",
        "/opt/n": "added",
        "/srv": "changed",
        "/etc/systemd/system/dbus.socket": "added",
        "unit dbus.socket": "changed",
        "active dbus.socket": "changed",
        "active dbus.service": "changed",  # it requires its socket
        "active x.service": "added",
        "unit x.service": "added",
        "people group tamu": "added",
    }


@pytest.mark.parametrize("base", BASES)
def test_power_cycle_keeps_the_disk_and_reset_does_not(boot: Boot, base: str) -> None:
    (host,) = boot(base)
    first = host.boot_id()
    host.run(["sh", "-c", "echo tetap >/etc/tetap; sleep 1000 >/dev/null 2>&1 & sync"])
    host.power_off()
    assert not host.is_on()
    assert (host.root / "etc/tetap").read_text() == "tetap\n"
    host.boot()
    assert host.boot_id() != first
    assert "sleep" not in host.run(["ps", "ax"]).stdout
    _wait_for_boot(host)
    key = host.host_key
    host.reset()
    assert not (host.root / "etc/tetap").exists()
    assert host.host_key == key


def test_cut_line_is_silent_and_can_be_put_back(boot: Boot, lab: Lab) -> None:
    (host,) = boot()
    with lab.inside(), socket.create_connection((host.address, 22), timeout=2) as connection:
        assert connection.recv(4) == b"SSH-"
        host.cut_line()
        with pytest.raises(TimeoutError):
            socket.create_connection((host.address, 22), timeout=0.5)
        assert host.run(["hostname"]).stdout.strip() == host.name  # it lives on
        host.restore_line()
        socket.create_connection((host.address, 22), timeout=5).close()


def test_small_disk_is_full_when_it_is_full(boot: Boot) -> None:
    (host,) = boot(disk_mb=40)
    filled = host.run(["dd", "if=/dev/zero", "of=/var/tmp/penuh", "bs=1M"], check=False)
    assert "No space left on device" in filled.stderr
    assert 20 << 20 < (host.root / "var/tmp/penuh").stat().st_size < 40 << 20
    (neighbour,) = boot()
    neighbour.run(["dd", "if=/dev/zero", "of=/var/tmp/penuh", "bs=1M", "count=41"])


def test_forwarder_delays_each_way_and_keeps_the_throughput(boot: Boot, lab: Lab) -> None:
    (host,) = boot()
    serve = "import socket; s = socket.create_server(('', 7000)).accept()[0]; n = 0\n"
    serve += "while n < 50_000_000: n += len(s.recv(1 << 20))\ns.send(b'k')\nwhile s.recv(1): s.send(b'a')"
    host.run(["systemd-run", "--quiet", "python3", "-c", serve])
    wait_until(lambda: "tcp 0.0.0.0:7000" in ports(host), timeout_s=10, what="the receiver")
    with forwarded(lab, [host], delay_ms=100, port=7000) as addresses, lab.inside():
        started = time.monotonic()
        with socket.create_connection((addresses[host.name], 7000), timeout=30) as line:
            line.sendall(bytes(50_000_000))
            assert line.recv(1) == b"k"
            seconds = time.monotonic() - started
            assert 0.4 <= seconds < 3.0  # four delays; one by one, 763 pieces of 64 KiB would take a minute
            took_s = []
            for _ in range(5):  # the quickest counts: whatever else this machine does only ever adds
                started = time.monotonic()
                line.sendall(b"?")
                assert line.recv(1) == b"a"
                took_s.append(time.monotonic() - started)
            assert 0.2 <= min(took_s) < 0.35


def test_forwarder_cuts_once_after_so_many_bytes(boot: Boot, lab: Lab) -> None:
    (host,) = boot()
    options = ["--cut-after-bytes=10", "--cut-direction=down"]
    with forwarded(lab, [host], options=options) as addresses, lab.inside():
        with socket.create_connection((addresses[host.name], 22), timeout=5) as line:
            said = b""
            try:
                while part := line.recv(100):
                    said += part
            except ConnectionResetError:
                pass
            assert said == b"SSH-2.0-Op"
        with socket.create_connection((addresses[host.name], 22), timeout=5) as line:
            assert len(line.recv(100)) > 10


@pytest.mark.parametrize("manner", MANNERS)
def test_forwarder_cuts_at_once_and_tells_whom_it_shall(boot: Boot, lab: Lab, manner: str) -> None:
    (host,) = boot()
    with forwarded(lab, [host]) as addresses, lab.inside():
        line = socket.create_connection((addresses[host.name], 22), timeout=1)
        assert line.recv(100).endswith(b"\n")

        def open_there() -> int:
            return host.run(["ss", "-Htn", "state", "established", "sport", "=", ":22"]).stdout.count("\n")

        assert open_there() == 1
        addresses.cut(manner)
        with line, pytest.raises(TimeoutError if manner == HANG else ConnectionResetError):
            line.recv(100, socket.MSG_WAITALL)
        assert open_there() == (manner != RESET)
        with socket.create_connection((addresses[host.name], 22), timeout=5) as again:
            assert again.recv(4) == b"SSH-"


@pytest.mark.parametrize("base", NGINX)
def test_real_nginx_installs_and_leaves_no_trace_when_purged(boot: Boot, base: str) -> None:
    (host,) = boot(base)
    before = read(host)
    files = _put(host, *nginx(base))
    host.run(["dpkg", "--install", *files])
    assert "Welcome to nginx" in _http(host)
    assert ports(host)["tcp 0.0.0.0:80"] == "nginx"
    difference = before.difference(read(host))
    assert {"package nginx-common": "added", "active nginx.service": "added"}.items() <= difference.items()
    names = [name for name in packages(host) if name not in before.packages]
    assert len(names) == len(NGINX[base])
    host.run(["dpkg", "--purge", *names])
    host.run(["rm", *files])
    left = before.difference(read(host))
    assert [name for name in left if not name.startswith(("/var", "/etc"))] == []


def test_whole_package_works_and_leaves_nothing(boot: Boot, tmp_path: Path) -> None:
    (host,) = boot()
    before = read(host)
    (file,) = _put(host, build_loket(tmp_path))
    host.run(["dpkg", "--install", file])
    wait_until(lambda: PAGE in _http(host, port=PORT), timeout_s=10, what="loket")
    assert _http(host, "/versi", PORT).strip() == "1.0"
    host.run(["dpkg", "--purge", "loket"])
    host.run(["rm", file])
    assert before.difference(read(host)) == {}


def test_each_fault_breaks_as_it_says(boot: Boot, tmp_path: Path) -> None:
    hosts = dict(zip(Fault, boot(count=len(Fault)), strict=True))
    left_behind = (Fault.LEAVES_RESIDUE, Fault.MAKES_USER)
    before = {fault: read(hosts[fault]) for fault in left_behind}

    def install(fault: Fault) -> int:
        (tmp_path / fault.name).mkdir()
        (file,) = _put(hosts[fault], build_loket(tmp_path / fault.name, fault=fault))
        return hosts[fault].run(["dpkg", "--install", file], check=False).returncode

    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        done = dict(zip(Fault, pool.map(install, Fault), strict=True))
    assert time.monotonic() - started > 5  # the slow one
    failing = {Fault.POSTINST_FAILS, Fault.MISSING_DEPENDENCY}
    assert {fault for fault in Fault if done[fault] != 0} == failing
    assert "half-configured" in packages(hosts[Fault.POSTINST_FAILS])["loket"]
    assert "unpacked" in packages(hosts[Fault.MISSING_DEPENDENCY])["loket"]
    assert PAGE not in _http(hosts[Fault.WRONG_PAGE], port=PORT)
    assert "It works!" in _http(hosts[Fault.WRONG_PAGE], port=PORT)
    for fault in (Fault.DIES, Fault.NEVER_STARTS):
        state = ["systemctl", "show", "--value", "--property=NRestarts,Result", "loket"]
        failed = partial(_says, hosts[fault], state, "exit-code")
        wait_until(failed, timeout_s=15, what=fault.value, every_s=0.2)
    assert hosts[Fault.PRERM_FAILS].run(["dpkg", "--purge", "loket"], check=False).returncode != 0
    for fault in left_behind:
        hosts[fault].run(["dpkg", "--purge", "loket"])
    residue = before[Fault.LEAVES_RESIDUE].difference(read(hosts[Fault.LEAVES_RESIDUE]))
    assert {"/opt/loket-sisa/data", "/etc/loket/sisa", "/var/lib/loket"} <= residue.keys()
    assert before[Fault.MAKES_USER].difference(read(hosts[Fault.MAKES_USER]))["people user loket"] == "added"


def test_taken_port_and_upgrade(boot: Boot, tmp_path: Path) -> None:
    taken, upgraded = boot(count=2)
    hold_port(taken)
    assert ports(taken)[f"tcp 0.0.0.0:{PORT}"] == "python3"
    (file,) = _put(upgraded, build_loket(tmp_path, "1.0"))
    upgraded.run(["dpkg", "--install", file])
    (file,) = _put(upgraded, build_loket(tmp_path, "2.0", Fault.POSTINST_FAILS))
    assert upgraded.run(["dpkg", "--install", file], check=False).returncode != 0
    assert packages(upgraded)["loket"] == "2.0 install ok half-configured"


def test_repository_serves_the_computers_own_apt(boot: Boot, tmp_path: Path) -> None:
    (host,) = boot()
    write_repository(host.root / "srv/repo", [build_loket(tmp_path)])
    (host.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/repo ./\n")
    host.run(["apt-get", "update"])
    host.run(["apt-get", "install", "--yes", "loket"])
    assert packages(host)["loket"] == "1.0 install ok installed"


def test_changed_host_key_is_shown(boot: Boot, lab: Lab) -> None:
    (host,) = boot(sshd="MaxStartups 3\nPasswordAuthentication no")
    assert "maxstartups 3:" in host.run(["sshd", "-T"]).stdout
    assert "passwordauthentication no" in host.run(["sshd", "-T"]).stdout
    scan = ["ssh-keyscan", "-t", "ed25519", host.address]
    before = lab.run_inside(scan).stdout
    assert before.split(maxsplit=1)[1].strip() == host.host_key
    host.change_host_key()
    host.run(["systemctl", "restart", "ssh"])
    after = lab.run_inside(scan).stdout
    assert after != before
    assert after.split(maxsplit=1)[1].strip() == host.host_key


def test_built_package_has_the_same_bytes_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        build_deb(folder, "sama", files={"/opt/sama/bin/x": "#!/bin/sh\n"})
    assert (first / "sama_1.0_all.deb").read_bytes() == (second / "sama_1.0_all.deb").read_bytes()


def test_dead_lab_ends_its_computers_and_is_cleared_away(boot: Boot) -> None:
    script = "from tests.lab.lab import *; lab = Lab.create(); h, = lab.add([HostSpec('pc1')]); "
    script += "print(lab.name, h.leader_pid, flush=True); import os; os.kill(os.getpid(), 9)"
    project = Path(__file__).resolve().parents[2]
    argv = ["python3", "-c", script]
    said = subprocess.run(argv, cwd=project, capture_output=True, text=True).stdout.split()
    name, pid = said[0], int(said[1])
    wait_until(lambda: name not in running_labs(), timeout_s=20, what="the end of the dead lab")
    assert not Path(f"/proc/{pid}").exists()
    remove_dead_labs()
    assert not Path(f"/run/pasang-lab/{name}").exists()


def test_tree_reads_a_computer_that_is_off(boot: Boot) -> None:
    (host,) = boot()
    host.power_off()
    found = tree(host, ["/etc/ssh", "/tidak-ada"])
    assert found["/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert "/tidak-ada" not in found
