"""known_hosts as OpenSSH defines it."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest

from controller.errors import InputError
from controller.transport.ssh.hostkeys import HostKey, KnownHosts, fingerprint, host_name, trust

A, B = b"kunci-a", b"kunci-b"
A64, B64 = (base64.b64encode(blob).decode() for blob in (A, B))


def known(tmp_path: Path, text: str) -> KnownHosts:
    (tmp_path / "known_hosts").write_text(text)
    return KnownHosts([tmp_path / "known_hosts", tmp_path / "tidak-ada"])


def hashed(name: str) -> str:
    salt = b"garam-garam-garam-ga"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        ("pc1.example.invalid", "pc1.example.invalid", True),
        ("pc1.example.invalid", "PC1.Example.Invalid", True),
        ("pc1,10.0.0.1", "10.0.0.1", True),
        ("pc1", "pc10", False),
        ("pc1", "[pc1]:2222", False),
        ("[pc1]:2222", "[pc1]:2222", True),
        ("[pc1]:2222", "pc1", False),
        ("*.example.invalid", "pc1.example.invalid", True),
        ("*.example.invalid,!pc1.example.invalid", "pc1.example.invalid", False),
        ("!pc1.example.invalid,*.example.invalid", "pc2.example.invalid", True),
        ("[pc?]:2222", "[pc1]:2222", True),
        ("[pc?]:2222", "p:2222", False),
        (hashed("pc1"), "pc1", True),
        (hashed("pc1"), "pc2", False),
        (hashed("[pc1]:2222"), "[pc1]:2222", True),
        ("|1|rusak", "pc1", False),
    ],
)
def test_names(tmp_path: Path, names: str, asked: str, found: bool) -> None:
    assert known(tmp_path, f"{names} ssh-ed25519 {A64} catatan\n").keys(asked) == (
        [("ssh-ed25519", A)] if found else []
    )


def test_lines_that_are_none_change_nothing(tmp_path: Path) -> None:
    text = f"# pc1 ssh-ed25519 {A64}\n\npc1\npc1 ssh-ed25519\npc1 ssh-rsa {B64}\n\x00\n"
    text += f"@cert-authority pc1 ssh-ed25519 {A64}\n"
    assert known(tmp_path, text).keys("pc1") == [("ssh-rsa", B)]


def test_a_revoked_key_is_never_taken(tmp_path: Path) -> None:
    hosts = known(tmp_path, f"pc1 ssh-ed25519 {A64}\n@revoked * ssh-ed25519 {A64}\n")
    assert hosts.revoked("pc1", A)
    assert not hosts.revoked("pc1", B)


def test_names_with_a_port() -> None:
    assert host_name("pc1", 22) == "pc1"
    assert host_name("fe80::1", 2222) == "[fe80::1]:2222"


def test_the_fingerprint_is_ssh_keygens() -> None:
    # ssh-keygen -lf of a key made for this test
    line = "AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0"
    assert fingerprint(base64.b64decode(line)).startswith("SHA256:")
    assert len(fingerprint(base64.b64decode(line))) == len("SHA256:") + 43


def test_trust_replaces_the_same_host_and_type_only(tmp_path: Path) -> None:
    path = tmp_path / "baru" / "known_hosts"
    trust([HostKey("pc1", "ssh-ed25519", A), HostKey("pc2", "ssh-ed25519", A)], path)
    trust([HostKey("pc1", "ssh-rsa", A), HostKey("pc1", "ssh-ed25519", B)], path)
    hosts = KnownHosts([path])
    assert sorted(hosts.keys("pc1")) == [("ssh-ed25519", B), ("ssh-rsa", A)]
    assert hosts.keys("pc2") == [("ssh-ed25519", A)]
    assert [one.name for one in path.parent.iterdir()] == ["known_hosts"]


def test_trust_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "berkas").write_text("")
    with pytest.raises(InputError) as caught:
        trust([HostKey("pc1", "ssh-ed25519", A)], tmp_path / "berkas" / "known_hosts")
    assert "berkas" in caught.value.say("id")
