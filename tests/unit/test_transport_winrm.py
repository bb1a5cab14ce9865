"""WinRM without a computer: what an inventory says, what is refused, and every fault as a person is told it."""

from __future__ import annotations

import errno
import ssl
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from winrm.exceptions import WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError

from controller.errors import AccessRefused, HostError, InventoryError, LineLost, Unreachable
from controller.inventory.connection import resolve
from controller.settings import Secret
from controller.transport import KINDS, boot, transport_to
from controller.transport.winrm import library, refusals
from controller.transport.winrm.library import requests, urllib3
from controller.transport.winrm.push import File, _archive
from controller.transport.winrm.way import Way, way_to

SAID = {"inventory_hostname": "pc1", "ansible_connection": "winrm", "ansible_user": "petugas", "ansible_password": "s"}


def way(**changes: Any) -> Way:
    connection, problems = resolve({**SAID, **changes})
    assert connection is not None, problems
    return way_to(connection, connect_timeout_s=10)


def mistakes(**changes: Any) -> str:
    with pytest.raises(InventoryError) as caught:
        way(**changes)
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value.say("id") + caught.value.say("en")


# What an inventory says


@pytest.mark.parametrize(
    ("changes", "endpoint"),
    [
        ({}, "https://pc1:5986/wsman"),
        ({"ansible_winrm_scheme": "http"}, "http://pc1:5985/wsman"),
        ({"ansible_port": 5985}, "http://pc1:5985/wsman"),
        ({"ansible_port": 5985, "ansible_winrm_scheme": "https"}, "https://pc1:5985/wsman"),
        ({"ansible_winrm_port": "8443", "ansible_host": "192.0.2.9"}, "https://192.0.2.9:8443/wsman"),
        ({"ansible_host": "2001:db8::1", "ansible_winrm_path": "lain"}, "https://[2001:db8::1]:5986/lain"),
    ],
)
def test_where_it_is(changes: dict[str, Any], endpoint: str) -> None:
    assert way(**changes).endpoint == endpoint


def test_certificates_are_checked_against_this_system_unless_said_otherwise(tmp_path: Path) -> None:
    paths = ssl.get_default_verify_paths()
    assert way().validate
    assert way().authorities == (paths.cafile or paths.capath)
    assert not way(ansible_winrm_server_cert_validation="ignore").validate
    own = tmp_path / "ca.pem"
    own.touch()
    assert way(ansible_winrm_ca_trust_path=str(own)).authorities == str(own)


@pytest.mark.parametrize(
    ("said", "methods"),
    [
        (None, ("ntlm",)),
        ("ssl", ("basic",)),
        ("plaintext", ("basic",)),
        (["kerberos", "NTLM"], ("kerberos", "ntlm")),
        ("basic, ssl,ntlm", ("basic", "ntlm")),
    ],
)
def test_how_we_say_who_we_are(said: Any, methods: tuple[str, ...]) -> None:
    assert way(ansible_winrm_transport=said).methods == methods


def test_a_certificate_of_ours(tmp_path: Path) -> None:
    files = {f"ansible_winrm_{name}": str(tmp_path / name) for name in ("cert_pem", "cert_key_pem")}
    assert "cert_pem" in mistakes(**files)
    for path in files.values():
        Path(path).touch()
    found = way(**files, ansible_winrm_transport="ssl", ansible_user=None, ansible_password=None)
    assert found.methods == ("certificate",)
    assert found.extra == {"cert_pem": str(tmp_path / "cert_pem"), "cert_key_pem": str(tmp_path / "cert_key_pem")}
    assert "ansible_winrm_cert_pem" in mistakes(ansible_winrm_transport="certificate")
    assert "https" in mistakes(**files, ansible_winrm_transport="ssl", ansible_port=5985)


def test_what_is_passed_on_reaches_pywinrm() -> None:
    found = way(
        ansible_winrm_kerberos_delegation="yes",
        ansible_winrm_kerberos_hostname_override="pc1.example.invalid",
        ansible_winrm_realm="EXAMPLE.INVALID",
        ansible_winrm_operation_timeout_sec="40",
        ansible_winrm_message_encryption="always",
        ansible_winrm_kinit_mode="managed",
    )
    assert found.extra["kerberos_delegation"] is True
    protocol = library.protocol_for(found, "ntlm")
    transport = protocol.transport
    assert protocol.operation_timeout_sec == 40
    assert transport.read_timeout_sec == (10, 50)
    assert transport.kerberos_delegation is True
    assert transport.kerberos_hostname_override == "pc1.example.invalid"
    assert transport.message_encryption == "always"
    assert transport.ca_trust_path == found.authorities
    assert transport.proxy == ""


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ansible_winrm_transport": "basic"}, "Basic over http is refused"),
        ({"ansible_winrm_transport": "plaintext"}, "kata sandi akan terbaca"),
        ({"ansible_winrm_transport": "ntlm,ssl"}, "Basic over http is refused"),
        ({"ansible_winrm_message_encryption": "never"}, "every command could be read"),
    ],
)
def test_what_anybody_could_read(changes: dict[str, Any], word: str) -> None:
    assert word in mistakes(ansible_port=5985, **changes)
    assert way(ansible_port=5986, **changes).tls


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ansible_winrm_transport": "digest"}, "'digest' is not known"),
        ({"ansible_winrm_scheme": "ftp"}, "ansible_winrm_scheme"),
        ({"ansible_winrm_server_cert_validation": "abaikan"}, "validate, ignore"),
        ({"ansible_winrm_message_encryption": "always", "ansible_winrm_transport": "basic"}, "cannot encrypt"),
        ({"ansible_winrm_operation_timeout_sec": "lama"}, "not a number of seconds"),
        ({"ansible_winrm_operation_timeout_sec": 30, "ansible_winrm_read_timeout_sec": 30}, "longer than"),
        ({"ansible_winrm_ca_trust_path": "/tidak/ada.pem"}, "/tidak/ada.pem"),
        ({"ansible_user": None}, "ansible_user"),
        ({"ansible_password": None}, "ansible_password"),
    ],
)
def test_mistakes_are_named_with_what_to_write(changes: dict[str, Any], word: str) -> None:
    assert word in mistakes(**changes)


def test_all_mistakes_at_once() -> None:
    said = mistakes(ansible_user=None, ansible_winrm_scheme="ftp", ansible_winrm_transport="ntlm,x")
    assert all(word in said for word in ("ansible_user", "ftp", "'x'"))


@pytest.mark.parametrize("method", ["kerberos", "credssp"])
def test_a_library_that_is_not_installed(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"winrm.transport.HAVE_{method.upper()}", False)
    with pytest.raises(InventoryError, match=rf"pywinrm\[{method}\]"):
        library.protocol_for(way(), method)


def test_orders_may_go_over_it() -> None:
    connection, _ = resolve(SAID)
    assert connection is not None
    assert connection.kind in KINDS
    assert connection.system == "windows"
    transport = transport_to(connection)
    assert transport.describe()["user"] == "petugas"
    assert transport.proof == "wine", "until somebody has run the contract against a real computer"


def test_no_proxy_is_used_and_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests would write no_proxy there at each question: with many threads one of them finds it gone."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    told = way(ansible_winrm_transport="basic")
    session = library.protocol_for(told, "basic").transport.build_session()
    proxies = requests.utils.resolve_proxies(requests.Request("POST", told.endpoint).prepare(), session.proxies, True)
    assert not requests.utils.select_proxy(told.endpoint, proxies)
    assert "no_proxy" not in session.proxies


def test_sudo_is_not_meant_for_windows_and_another_way_is_refused() -> None:
    connection, _ = resolve({**SAID, "ansible_become": True, "ansible_become_method": "runas"})
    assert connection is not None
    with pytest.raises(InventoryError, match="log in as an administrator"):
        boot(connection)


# Faults


def fault(code: int, subcode: str = "w:InternalError") -> WSManFaultError:
    return WSManFaultError(500, "", "", "Because  of\nthis.", "s:Sender", subcode, code, None)


def cut(inner: Exception) -> Exception:
    """As requests and urllib3 wrap what the socket said."""
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/wsman", inner))  # type: ignore[arg-type]


def refused_by(number: int) -> Exception:
    error = urllib3.exceptions.NewConnectionError(None, "Failed")  # type: ignore[arg-type]
    error.__cause__ = OSError(number, "x")
    return cut(error)


def unknown_name() -> Exception:
    return cut(urllib3.exceptions.NameResolutionError("pc1", None, OSError()))  # type: ignore[arg-type]


def tls(said: str) -> Exception:
    return requests.exceptions.SSLError(f"[SSL: {said} (_ssl.c:1000)")


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (refused_by(errno.ECONNREFUSED), Unreachable, "connection refused"),
        (refused_by(errno.EHOSTUNREACH), Unreachable, "no way"),
        (unknown_name(), Unreachable, "name is unknown"),
        (requests.ConnectTimeout("x"), Unreachable, "no answer in time"),
        (requests.ReadTimeout("x"), Unreachable, "no answer in time"),
        (WinRMOperationTimeoutError(), Unreachable, "no answer in time"),
        (requests.ConnectionError(ConnectionResetError(104, "reset by peer")), Unreachable, "reset by peer"),
        (KeyError("content-type"), Unreachable, "not WinRM"),
        (
            tls("CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"),
            Unreachable,
            "not believed (self-signed certificate)",
        ),
        (
            tls("CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch"),
            Unreachable,
            "another name",
        ),
        (tls("WRONG_VERSION_NUMBER] wrong version number"), Unreachable, "did not come about: wrong version number\n"),
        (WinRMTransportError("http", 404, ""), Unreachable, "ansible_winrm_path"),
        (WinRMTransportError("http", 503, ""), Unreachable, "HTTP 503"),
        (fault(2150859173, "w:QuotaLimit"), AccessRefused, "MaxShellsPerUser"),
        (fault(1, "w:QuotaLimit"), AccessRefused, "MaxShellsPerUser"),
        (fault(5), AccessRefused, "Remote Management Users"),
        (fault(77), AccessRefused, "(code 77): Because of this."),
    ],
)
def test_why_there_is_no_way(error: Exception, kind: type[Unreachable], word: str) -> None:
    assert isinstance(error, library.BROKEN)
    told = refusals.no_way(way(), error)
    assert type(told) is kind
    assert word in told.say("en")
    assert told.say("id") != told.say("en")
    assert "pc1:5986" in told.say("id")


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (fault(2150858843, "w:InvalidSelectors"), "shell on that computer is gone"),
        (fault(995), "ended from outside"),
        (fault(2147942487), "command is gone"),
        (fault(2147942509), "reads no more"),
        (fault(77), "dropped"),
        (refused_by(errno.ECONNREFUSED), "dropped"),
        (requests.ReadTimeout("x"), "dropped"),
        (WinRMTransportError("http", 500, ""), "dropped"),
    ],
)
def test_what_ends_a_contact_is_a_lost_line(error: Exception, word: str) -> None:
    told = refusals.broken(way(), error)
    assert type(told) is LineLost
    assert word in told.say("en")
    assert "pasang resume" in told.say("id")


def test_a_quota_is_told_in_the_middle_too() -> None:
    assert isinstance(refusals.broken(way(), fault(2150859174)), AccessRefused)


@pytest.mark.parametrize(
    ("error", "torn"),
    [
        (requests.exceptions.ChunkedEncodingError("x"), True),
        (requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(None, "/", "x")), True),  # type: ignore[arg-type]
        (IndexError(), True),
        (requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "/", "x")), False),  # type: ignore[arg-type]
        (refused_by(errno.ECONNREFUSED), False),
    ],
)
def test_a_torn_answer_is_told_from_none(error: Exception, torn: bool) -> None:
    assert library.is_torn(error) is torn


@pytest.mark.parametrize("method", ["ntlm", "basic", "kerberos", "credssp", "certificate"])
def test_who_is_not_let_in_reads_what_was_tried(method: str) -> None:
    told = refusals.not_let_in(way(), ["ntlm", method])
    assert f"petugas was not let in; tried: ntlm, {method}" in told.say("en")
    assert told.problems[0].hint


def test_no_password_is_printed() -> None:
    found = way(ansible_password=Secret("Rahasia-9"))
    assert "Rahasia-9" not in repr(found)
    assert "Rahasia-9" not in refusals.not_let_in(found, ["ntlm"]).say("en")


# Files


def packed(files: Sequence[File]) -> bytes:
    return b"".join(_archive(files))


def test_an_archive_is_one_that_tar_reads() -> None:
    long = "d/" + "n" * 150
    files = [File("a", 3, [b"ab", b"c"]), File(long, 512, [bytes(512)]), File("kosong", 0, [])]
    with tarfile.open(fileobj=BytesIO(packed(files))) as tar:
        assert [(entry.name, entry.size) for entry in tar] == [("a", 3), (long, 512), ("kosong", 0)]


@pytest.mark.parametrize("data", [[b"ab"], [b"abcd"]])
def test_a_file_that_is_not_what_it_should_be_is_not_sent_as_if(data: list[bytes]) -> None:
    with pytest.raises(HostError, match="not 3"):
        packed([File("a", 3, data)])
