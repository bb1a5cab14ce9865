"""The contract of `deb` on real computers: dpkg and systemd are asked what is there, never the product."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from agent.debian import compare
from tests.contract.computers import LabComputer
from tests.contract.packages import (
    CONFFILE,
    assert_same,
    here,
    install,
    known_conffiles,
    purge,
    there_and_back,
    with_checksums,
)
from tests.lab.debs import build_deb, nginx, write_repository
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.invented import Fault, build_loket


def test_an_invented_service(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs))
    there = there_and_back(computer, {"payloads": ["loket"]}).there
    assert "loket 1.0 ii  all" in there["packages"]
    assert "loket.service active" in there["active"]
    assert CONFFILE in there["files"]


def test_the_real_nginx(computer: LabComputer) -> None:
    names = []
    for deb in nginx("bookworm"):
        name = deb.name.split("_")[0]
        computer.add_deb(name, deb)
        names.append(name)
    there = there_and_back(computer, {"payloads": names}).there
    assert {row.split()[0] for row in there["packages"]} >= set(names)
    assert "nginx.service active" in there["active"]


def starts(computer: LabComputer, service: str) -> int:
    """How often systemd has started it, by its log."""
    log = computer.host.run(["journalctl", "--quiet", "--output=cat", f"--unit={service}"]).stdout
    return len(re.findall(r"^Started ", log, re.MULTILINE))


@pytest.mark.parametrize("base", ["bullseye", "bookworm", "trixie"])
def test_a_service_that_a_later_action_starts(boot: Boot, base: str) -> None:
    [host] = boot(base)
    computer = LabComputer(host)
    names = []
    for deb in nginx(base):
        names.append(deb.name.split("_")[0])
        computer.add_deb(names[-1], deb)
    spec = {"payloads": names, "starts_later": ["nginx"]}
    there = there_and_back(computer, spec).there
    assert "nginx.service enabled" in [" ".join(row.split()[:2]) for row in there["unit files"]]
    assert "nginx.service active" not in there["active"]
    assert starts(computer, "nginx") == 0
    assert "/usr/sbin/policy-rc.d" not in there["files"]
    assert "failed" not in computer.do("apply", "deb", {**spec, "starts_later": ["other"]})
    assert "nginx.service active" in computer.state()["active"]


def test_an_upgrade_restarts_what_runs(computer: LabComputer, debs: Path) -> None:
    """Who is at work already is not kept waiting: debhelper's scripts ask for a restart then."""
    install(computer, build_loket(debs, "1.0"))
    main = computer.host.run(["systemctl", "show", "--property=MainPID", "loket"]).stdout
    computer.add_deb("loket", build_loket(debs, "2.0"))
    spec = {"payloads": ["loket"], "starts_later": ["loket"]}
    assert "loket.service active" in there_and_back(computer, spec, before="different").there["active"]
    assert computer.host.run(["systemctl", "show", "--property=MainPID", "loket"]).stdout != main
    purge(computer, "loket")


def test_a_policy_of_the_computers_own_stands(computer: LabComputer, debs: Path) -> None:
    policy = computer.host.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)
    computer.add_deb("loket", build_loket(debs))
    there = there_and_back(computer, {"payloads": ["loket"], "starts_later": ["loket"]}).there
    assert "loket.service active" in there["active"], "it allows everything"
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    policy.unlink()


def test_a_postinst_that_fails(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs, fault=Fault.POSTINST_FAILS))
    spec = {"payloads": ["loket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    failed = computer.do("apply", "deb", spec)
    assert failed["failed"]["en"] == (
        "The post-installation script of package loket failed (1): loket: the licence server does not answer."
    )
    assert "licence server" in failed["evidence"]["output"]
    assert computer.do("detect", "deb", spec)["state"] == "different"
    assert "failed" not in computer.do("undo", "deb", entry)
    after = computer.state()
    for path in ("/opt/loket-sisa", "/opt/loket-sisa/data", "/etc/loket", "/etc/loket/sisa", "/var/lib/loket"):
        after["files"].pop(path, None)  # what its scripts wrote beside dpkg is not known to dpkg: residue
    assert_same(after, before)
    computer.host.run(["rm", "-rf", "/opt/loket-sisa", "/etc/loket", "/var/lib/loket"])


def test_a_package_that_refuses_to_go(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs, fault=Fault.PRERM_FAILS))
    back = there_and_back(computer, {"payloads": ["loket"]}).back
    assert any("silenced" in call for call in back["calls"])


@pytest.mark.parametrize(
    ("origin", "fault"),
    [
        ("disk", None), ("disk", Fault.POSTINST_FAILS), ("disk", Fault.PRERM_FAILS), ("payload", Fault.POSTINST_FAILS),
        ("payload without checksums", None),
    ],
)  # fmt: skip
def test_an_upgrade_goes_back_to_the_very_version(
    computer: LabComputer, debs: Path, fault: Fault | None, origin: str
) -> None:
    old = build_loket(debs, "1.0") if "without" in origin else with_checksums(build_loket(debs, "1.0"))
    install(computer, old)
    if origin != "disk":
        computer.add_deb("loket-lama", old)
    host = computer.host
    host.run(["sh", "-c", f"echo 8091 >{CONFFILE}; chmod 600 {CONFFILE}; touch -d 2020-02-02 {CONFFILE}"])
    host.run(["sh", "-c", "echo loket hold | dpkg --set-selections; systemctl restart loket"])
    (debs / "baru").mkdir()
    computer.add_deb("loket", build_loket(debs / "baru", "2.0", fault))
    spec = {"payloads": ["loket"]}
    before, conffiles = computer.state(), known_conffiles(computer, "loket")
    assert computer.do("detect", "deb", spec)["state"] == "different"
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    assert [row["origin"] for row in entry["before"]] == [origin.split()[0]]
    applied = computer.do("apply", "deb", spec)
    assert ("failed" in applied) == (fault is Fault.POSTINST_FAILS)
    undone = computer.do("undo", "deb", entry)
    assert "failed" not in undone, undone
    host.run(["rm", "-rf", "/opt/loket-sisa", "/etc/loket/sisa", "/var/lib/loket"])
    assert_same(computer.state(), before)
    assert here(computer, "loket") == ["loket 1.0 hold ok installed"]
    assert known_conffiles(computer, "loket") == conffiles
    assert host.run(["systemctl", "is-active", "loket"]).stdout.strip() == "active"
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), before)
    purge(computer, "loket")
    for digest in (row["digest"] for row in computer.payloads.values()):
        (computer.path("blobs") / digest).unlink(missing_ok=True)


def test_a_package_whose_configuration_was_left(computer: LabComputer, debs: Path) -> None:
    install(computer, build_loket(debs, "1.0"))
    computer.host.run(["sh", "-c", f"echo 8099 >{CONFFILE}; dpkg --remove loket"])
    conffiles = known_conffiles(computer, "loket")
    (debs / "baru").mkdir()
    computer.add_deb("loket", build_loket(debs / "baru", "2.0"))
    assert here(computer, "loket") == ["loket 1.0 deinstall ok config-files"]
    there_and_back(computer, {"payloads": ["loket"]})
    assert here(computer, "loket") == ["loket 1.0 deinstall ok config-files"]
    assert known_conffiles(computer, "loket") == conffiles
    purge(computer, "loket")


def test_a_conffile_that_only_the_new_version_has(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket", "1", files={"/etc/paket/a": "a\n"}, conffiles=["/etc/paket/a"]))
    files = {"/etc/paket/a": "a baru\n", "/etc/paket/b": "b\n"}
    computer.host.run(["sh", "-c", "echo diubah >/etc/paket/a"])
    computer.add_deb("paket", build_deb(debs, "paket", "2", files=files, conffiles=list(files)))
    there = there_and_back(computer, {"payloads": ["paket"]}, before="different").there
    assert "/etc/paket/b" in there["files"]
    assert computer.host.run(["sh", "-c", "cat /etc/paket/*"]).stdout == "diubah\n"
    assert "failed" not in computer.do("apply", "deb", {"payloads": ["paket"]})
    assert computer.host.run(["sh", "-c", "cat /etc/paket/a*"]).stdout == "diubah\na baru\n", "both, as dpkg does it"
    purge(computer, "paket")


def test_a_file_that_moves_to_a_new_package(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket", "1", files={"/usr/share/paket/a": "a\n", "/usr/share/paket/b": "b\n"}))
    new = build_deb(debs, "paket", "2", files={"/usr/share/paket/a": "a2\n"}, depends="paket-data (= 2)")
    more = "dpkg\nReplaces: paket (<< 2)\nBreaks: paket (<< 2)"
    data = build_deb(debs, "paket-data", "2", files={"/usr/share/paket/b": "b2\n"}, depends=more)
    computer.add_deb("paket", new)
    computer.add_deb("paket-data", data)
    there_and_back(computer, {"payloads": ["paket", "paket-data"]}, before="different")
    assert computer.host.run(["cat", "/usr/share/paket/b"]).stdout == "b\n"
    purge(computer, "paket")


def test_a_package_that_is_replaced_comes_back(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket-tua", "1", files={"/usr/share/paket/a": "a\n"}))
    more = "dpkg\nConflicts: paket-tua\nReplaces: paket-tua\nProvides: paket-tua"
    computer.add_deb("paket", build_deb(debs, "paket", "2", files={"/usr/share/paket/a": "a2\n"}, depends=more))
    there_and_back(computer, {"payloads": ["paket"]})
    assert here(computer, "paket-tua") == ["paket-tua 1 install ok installed"]
    purge(computer, "paket-tua")


@pytest.mark.parametrize("way", ["part", "whole", "apt"])
def test_what_a_package_takes_over_from_another_is_given_back(computer: LabComputer, debs: Path, way: str) -> None:
    host, folder = computer.host, "/usr/share/kantor"
    files = {f"{folder}/{name}": f"{name} lama\n" for name in ("tema.css", "alih", "isi")}
    install(computer, build_deb(debs, "kantor", "1.4", files=files))
    host.run(["sh", "-c", f"dpkg-divert --local --rename --divert {folder}/alih.asli --add {folder}/alih; sync"])
    listed = host.root / "var/lib/dpkg/info/kantor.list"
    before = listed.read_bytes(), {row: (host.root / row[1:]).read_text() for row in (f"{folder}/tema.css",)}
    takes = {path: "baru\n" for path in files if way == "whole" or not path.endswith("isi")}
    more = "dpkg\nReplaces: kantor (<< 2), bash (<< 1)"
    data = build_deb(debs, "kantor-data", "2", files={**takes, f"{folder}/data": "x"}, depends=more)
    sources = host.root / "etc/apt/sources.list"
    former = sources.read_text()
    if way == "apt":
        write_repository(host.root / "srv/gudang", [data])
        sources.write_text("deb [trusted=yes] file:/srv/gudang ./\n")
    else:
        computer.add_deb("kantor-data", data)
    spec = {"packages": ["kantor-data"]} if way == "apt" else {"payloads": ["kantor-data"]}
    try:
        there_and_back(computer, spec)
    finally:
        sources.write_text(former)
    assert (listed.read_bytes(), {row: (host.root / row[1:]).read_text() for row in before[1]}) == before
    assert host.run(["dpkg", "--verify", "kantor"]).stdout == ""
    assert here(computer, "kantor") == ["kantor 1.4 install ok installed"]
    host.run(["dpkg-divert", "--local", "--rename", "--remove", f"{folder}/alih"])
    purge(computer, "kantor")


def test_a_pre_dependency_among_the_payloads(computer: LabComputer, debs: Path) -> None:
    for name, depends in (("atas", "dpkg\nPre-Depends: tengah"), ("tengah", "bawah"), ("bawah", "")):
        computer.add_deb(name, build_deb(debs, name, files={f"/usr/share/{name}/x": name}, depends=depends))
    there = there_and_back(computer, {"payloads": ["atas", "tengah", "bawah"]}).there
    assert [row for row in there["packages"] if row.split()[0] in ("atas", "bawah", "tengah")] == [
        "atas 1.0 ii  all",
        "bawah 1.0 ii  all",
        "tengah 1.0 ii  all",
    ]


def test_what_is_missing_is_found_before_dpkg_runs(computer: LabComputer, debs: Path) -> None:
    needs = "dpkg (>= 1.10), tidak-ada | juga-tidak (>= 2), awk, libc6 (>= 99), python3:any, systemd-sysv, perl-base"
    computer.add_deb("paket", build_deb(debs, "paket", depends=needs))
    spec = {"payloads": ["paket"]}
    missing = computer.do("missing_dependencies", "deb", spec)["missing"]
    libc = computer.host.run(["dpkg-query", "-W", "-f", "${Version}", "libc6"]).stdout
    assert missing == [
        {"package": "paket", "needs": "tidak-ada | juga-tidak (>= 2)", "found": ""},
        {"package": "paket", "needs": "libc6 (>= 99)", "found": libc},
    ]
    before = computer.state()
    failed = computer.do("apply", "deb", spec)
    assert "tidak-ada" in failed["failed"]["id"]
    assert failed["evidence"]["missing"] == missing
    assert_same(computer.state(), before)


def test_another_architecture_is_found_before_dpkg_runs(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket", architecture="s390x"))
    failed = computer.do("apply", "deb", {"payloads": ["paket"]})
    assert failed["failed"]["en"] == "the package paket is for s390x, and this computer is amd64"
    assert failed["evidence"]["missing"] == [{"package": "paket", "made_for": "s390x", "found": "amd64"}]


def test_a_dpkg_that_a_script_kills_is_named(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket", scripts={"postinst": "kill -9 $PPID; sleep 0.2"}))
    spec = {"payloads": ["paket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    assert "signal 9 (SIGKILL)" in computer.do("apply", "deb", spec)["failed"]["en"]
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), before)


def test_a_damaged_payload_never_reaches_dpkg(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket"))
    blob = computer.path("blobs") / computer.payloads["paket"]["digest"]
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert "SHA-256" in computer.do("apply", "deb", {"payloads": ["paket"]})["failed"]["en"]
    assert here(computer, "paket") == []


def test_packages_of_the_computers_own_apt(computer: LabComputer, debs: Path) -> None:
    main = build_deb(debs, "utama", "1.5", files={"/usr/share/utama/x": "x"}, depends="pustaka (>= 1)")
    library = build_deb(debs, "pustaka", "1.2", files={"/usr/share/pustaka/x": "x"})
    host = computer.host
    write_repository(host.root / "srv/gudang", [main, library])
    sources = host.root / "etc/apt/sources.list"
    former = sources.read_text()
    sources.write_text("deb [trusted=yes] file:/srv/gudang ./\n")
    try:
        state = computer.do("detect", "deb", {"packages": ["utama"]})["state"]
        assert state == "absent"
        there_and_back(computer, {"packages": ["utama=1.5"]})
        wrong = computer.do("capture", "deb", {"packages": ["utama=9"]}, keep=computer.keep_folder())
        assert "utama" in wrong["failed"]["en"]
        computer.add_deb("lain", build_deb(debs, "lain", depends="utama"))
        there_and_back(computer, {"payloads": ["lain"], "packages": ["pustaka"]})
    finally:
        sources.write_text(former)
        host.run(["rm", "-rf", "/srv/gudang"])


def test_a_mirror_out_of_reach_is_named(computer: LabComputer) -> None:
    sources = computer.host.root / "etc/apt/sources.list"
    former = sources.read_text()
    sources.write_text("deb [trusted=yes] http://127.0.0.1:9/gudang ./\n")
    try:
        failed = computer.do("capture", "deb", {"packages": ["tiada"]}, keep=computer.keep_folder())["failed"]
    finally:
        sources.write_text(former)
    assert failed["en"].startswith("The package mirror 127.0.0.1:9 is out of reach (")
    assert "payloads" in failed["id"]


def test_one_that_others_need_by_now_is_not_torn_out(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket"))
    spec = {"payloads": ["paket"]}
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    computer.do("apply", "deb", spec)
    install(computer, build_deb(debs, "pemakai", depends="paket"))
    failed = computer.do("undo", "deb", entry)
    assert "pemakai" in failed["failed"]["id"]
    assert here(computer, "paket", "pemakai") == ["paket 1.0 install ok installed", "pemakai 1.0 install ok installed"]
    purge(computer, "pemakai")
    assert "failed" not in computer.do("undo", "deb", entry)
    assert here(computer, "paket") == []


def contents(host: Host, deb: str) -> list[str]:
    """What dpkg-deb says is in a package: mode, owner, size, name and link of each entry."""
    rows = [line.split(maxsplit=5) for line in host.run(["dpkg-deb", "--contents", deb]).stdout.splitlines()]
    rows = [row for row in rows if row[5] != "./var/log/nginx/"]  # its postinst changes the owner of that folder
    return sorted(" ".join([row[0], row[1], row[2] if row[0][0] == "-" else "", row[5]]) for row in rows)


def test_a_package_packed_again_is_the_same_package(boot: Boot) -> None:
    [host] = boot()
    computer = LabComputer(host)
    install(computer, *nginx("bookworm"))
    host.run(["dpkg-divert", "--local", "--rename", "--divert", "/usr/sbin/nginx.asli", "--add", "/usr/sbin/nginx"])
    host.run(["sh", "-c", "echo bukan nginx >/usr/sbin/nginx"])
    for deb in nginx("bookworm"):
        name = deb.name.split("_")[0]
        (host.root / "root" / deb.name).write_bytes(deb.read_bytes())
        again, original = f"/root/{name}.deb", f"/root/{deb.name}"
        script = "import sys; sys.path.insert(0, '/usr/lib/pasang-uji'); from agent.debian import database, repack;"
        host.run(["python3", "-B", "-c", f"{script} repack.repack(database.paragraph('{name}', ''), '{again}')"])
        assert contents(host, again) == contents(host, original)
        fields = [sorted(host.run(["dpkg-deb", "-f", path]).stdout.splitlines()) for path in (again, original)]
        assert fields[0] == fields[1]
        for path in (again, original):
            host.run(["dpkg-deb", "-e", path, path + ".control"])
        same = host.run(["diff", "-r", "-x", "control", again + ".control", original + ".control"], check=False)
        assert same.returncode == 0, same.stdout


@pytest.mark.parametrize("base", ["bullseye", "trixie"])
def test_other_releases(boot: Boot, debs: Path, base: str) -> None:
    [host] = boot(base)
    computer = LabComputer(host)
    install(computer, build_loket(debs, "1.0"))
    computer.add_deb("loket", build_loket(debs, "2.0", Fault.PRERM_FAILS))
    there = there_and_back(computer, {"payloads": ["loket"]}, before="different").there
    assert "loket 2.0 ii  all" in there["packages"]
    assert here(computer, "loket") == ["loket 1.0 install ok installed"]
    write_repository(
        host.root / "srv/gudang", [build_deb(debs, "utama", depends="pustaka"), build_deb(debs, "pustaka")]
    )
    (host.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/gudang ./\n")
    there = there_and_back(computer, {"packages": ["utama"]}).there
    assert {row.split()[0] for row in there["packages"]} >= {"utama", "pustaka"}


def test_versions_compare_as_dpkg_compares_them(computer: LabComputer) -> None:
    draw = random.Random(20261122)
    parts = ["0", "1", "9", "10", "00", "a", "b", "Z", "~", "+", ".", "-", "~rc", "dfsg", "2:", "deb12u"]
    pairs = []
    for _ in range(400):
        left, right = ("1" + "".join(draw.choices(parts, k=draw.randint(0, 6))) for _ in range(2))
        if draw.random() < 0.3:
            right = left + draw.choice(parts[:-2])
        if all(re.fullmatch(r"(\d+:)?[\w.+~-]*[\w.+~]", version) for version in (left, right)):
            pairs.append((left, right))
    script = 'while read -r a b; do dpkg --compare-versions "$a" lt "$b" 2>/dev/null && echo "<" && continue; '
    script += 'dpkg --compare-versions "$a" eq "$b" 2>/dev/null && echo "=" || echo ">"; done'
    done = computer.host.run(["bash", "-c", script], text="".join(f"{a} {b}\n" for a, b in pairs))
    assert len(pairs) > 200
    for (left, right), sign in zip(pairs, done.stdout.split(), strict=True):
        order = compare(left, right)
        assert {"<": order < 0, "=": order == 0, ">": order > 0}[sign], (left, sign, right)
        assert (compare(right, left) > 0) == (order < 0)
