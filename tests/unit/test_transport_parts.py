"""The boot command, the ways of ssh_config, and the fake, without a socket."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import MARK
from controller.errors import AccessRefused, AgentFault, InventoryError, LineLost, NoPython
from controller.settings import Secret
from controller.transport import BootChannel, Options, boot, boot_command
from controller.transport.memory import Complain, Drop, End, Hang, Hear, Say, Script
from controller.transport.ssh.config import way_to
from tests.contract.transports import Connection


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


def booted(script: Callable[[str], Script], monkeypatch: pytest.MonkeyPatch, **changes: Any) -> BootChannel:
    clock = Clock()
    for module in ("base", "bootstrap"):
        monkeypatch.setattr(f"controller.transport.{module}.time", clock)
    options = Options(cache={"memory": {"pc": script}, "clock": clock})
    return boot(Connection("memory", address="pc", **changes), options=options)


# The command


def test_the_command_is_small_and_one_line() -> None:
    command = boot_command()
    assert len(command.encode()) < 600
    assert "\n" not in command


@pytest.mark.parametrize("become_user", [None, "root"])
@pytest.mark.parametrize("asks_password", [False, True])
def test_no_shell_sees_anything_to_expand(become_user: str | None, asks_password: bool) -> None:
    command = boot_command("/usr/bin/python3", become_user=become_user, asks_password=asks_password)
    before, search, after = command.split("'")
    assert after == ""
    for character in '!\\`"$':  # csh's history, fish's escapes, and everybody's expansions
        assert character not in before
    assert not set("!\\`") & set(search)
    python = shlex.split(search)[shlex.split(search).index("-ISc") + 1]
    assert not set("\"'$`\\!") & set(python)
    compile(python, "boot", "exec")


def test_no_password_stands_in_the_command() -> None:
    assert "-S -p" in boot_command(become_user="root", asks_password=True)
    assert "-n" in shlex.split(boot_command(become_user="root"))


@pytest.mark.parametrize("hint", ["python3; reboot", "$(id)", "-c", "a b", "'", "python3\n"])
def test_a_hint_that_would_be_more_than_a_path_is_bad_input(hint: str) -> None:
    with pytest.raises(InventoryError):
        boot_command(hint)
    with pytest.raises(InventoryError):
        boot_command(become_user=hint)


def test_other_ways_to_become_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InventoryError):
        booted(noisy, monkeypatch, user="petugas", become=True, become_method="su")


# The first stage


def noisy(command: str) -> Script:
    yield Say(b"Selamat datang\nTagihan > ")
    yield Say(MARK)
    while (yield Hear()) != MARK:
        pass
    yield Say((yield Hear()))
    yield End(0)


def test_noise_before_the_mark_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = booted(noisy, monkeypatch)
    channel.write(b"apa saja\n" + MARK + b"pekerjaan\n")
    assert channel.read_line(5) == b"pekerjaan\n"
    assert channel.read_line(5) == b""
    assert channel.round_trips == 1


def sudo(command: str) -> Script:
    """What sudo -S does with a password: three attempts."""
    assert "-S" in command
    for _ in range(3):
        yield Complain("pasang-sudo:")
        if (yield Hear()) == b"benar\n":
            yield Say(MARK)
            while (yield Hear()) != MARK:
                pass
            yield Say(b"masuk\n")
            return
        yield Complain("Sorry, try again.\n")
        HEARD.append("wrong")


HEARD: list[str] = []


def test_sudo_is_told_the_password_first(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = booted(sudo, monkeypatch, user="petugas", become=True, become_password=Secret("benar"))
    channel.write(MARK)
    assert channel.read_line(5) == b"masuk\n"


def test_a_sudo_that_asks_twice_is_told_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    HEARD.clear()
    channel = booted(sudo, monkeypatch, user="petugas", become=True, become_password=Secret("salah\nbenar"))
    with pytest.raises(AccessRefused) as caught:
        channel.write(MARK + b"rahasia lain\n")
    assert HEARD == ["wrong"]
    assert "salah" not in caught.value.say("en")


REFUSALS = [
    ("petugas is not in the sudoers file.\n", "may not use sudo"),
    ("Sorry, user petugas is not allowed to execute '/bin/sh' as root on pc1.\n", "may not use sudo"),
    ("Sorry, user petugas may not run sudo on pc1.\n", "may not use sudo"),
    ("sudo: sorry, you must have a tty to run sudo\n", "terminal"),
    ("sudo: a password is required\n", "wants a password"),
    ("env: 'sudo': No such file or directory\n", "not installed"),
    ("env: can't execute 'sudo': No such file or directory\n", "not installed"),
    ("sudo: unknown user petugas\n", "this account"),
    ("sudo: account validation failure, is your account locked?\n", "this account"),
]


@pytest.mark.parametrize(("complaint", "word"), REFUSALS)
def test_why_sudo_did_not(monkeypatch: pytest.MonkeyPatch, complaint: str, word: str) -> None:
    def refusing(command: str) -> Script:
        yield Complain(complaint)
        yield End(1)

    channel = booted(refusing, monkeypatch, user="petugas", become=True)
    with pytest.raises(AccessRefused) as caught:
        channel.read_line(5)
    assert word in caught.value.say("en")


def test_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(command: str) -> Script:
        yield Say(b"PASANG 1 nopython\n")

    with pytest.raises(NoPython):
        booted(bare, monkeypatch).read_line(5)


def test_a_shell_that_talks_for_ever_or_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def chatter(command: str) -> Script:
        while True:
            yield Say(b"la " * 1000 + b"\n")
            yield Hang(0.001)

    def stuck(command: str) -> Script:
        yield Hang(10**6)

    for script in (chatter, stuck):
        channel = booted(script, monkeypatch)
        with pytest.raises(AgentFault):
            channel.read_line()
    with pytest.raises(TimeoutError):
        booted(stuck, monkeypatch).read_line(5)


def test_a_line_that_drops_before_the_mark_is_a_lost_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(command: str) -> Script:
        yield Say(b"Sela")
        yield Hang(1)
        yield Drop()

    with pytest.raises(LineLost):
        booted(dropping, monkeypatch).read_line(5)


# Ways


def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str = "", **changes: Any) -> Any:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(exist_ok=True)
    (tmp_path / ".ssh" / "config").write_text(config)
    return way_to(Connection("ssh", **{"address": "pc1", "user": "petugas", **changes}), Options())


def test_without_a_word_the_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = way(tmp_path, monkeypatch)
    assert (found.host, found.port, found.user, found.strict) == ("pc1", 22, "petugas", "yes")
    assert (found.jumps, found.proxy_command, found.identities) == ((), None, ())


def test_the_inventory_wins_over_arguments_over_ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "Host pc1\n HostName 10.0.0.1\n Port 2201\n User lain\n IdentityFile ~/.ssh/a\n ProxyJump pintu\n"
    found = way(tmp_path, monkeypatch, config)
    assert (found.host, found.port, found.user) == ("10.0.0.1", 2201, "petugas")
    assert found.identities == (tmp_path / ".ssh/a",)
    assert found.jumps == ("pintu",)
    extra = {"ansible_ssh_common_args": "-o Port=2202 -J 'staf@a:1,b' -oHostKeyAlias=alias -v"}
    found = way(tmp_path, monkeypatch, config, extra=extra)
    assert (found.port, found.jumps, found.known_as) == (2202, ("staf@a:1", "b"), "alias")
    assert way(tmp_path, monkeypatch, config).known_as == "[10.0.0.1]:2201"
    assert way(tmp_path, monkeypatch, config, extra=extra, port=2203).port == 2203
    found = way(tmp_path, monkeypatch, config, private_key_file="~/kunci")
    assert found.identities == (tmp_path / "kunci", tmp_path / ".ssh/a")


def test_ssh_config_may_ask_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = 'Match exec "test %h = pc1"\n Port 2207\nMatch exec "false"\n User lain\n'
    assert way(tmp_path, monkeypatch, config).port == 2207


@pytest.mark.parametrize(
    ("arguments", "strict"),
    [
        ("", "yes"),
        ("-o StrictHostKeyChecking=no", "no"),
        ("-oStrictHostKeyChecking=No", "no"),
        ("-o 'StrictHostKeyChecking off'", "no"),
        ("-o StrictHostKeyChecking=accept-new", "accept-new"),
        ("-o StrictHostKeyChecking=ask", "yes"),
    ],
)
def test_checking_is_turned_off_in_so_many_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, strict: str
) -> None:
    config = "Host *\n StrictHostKeyChecking no\n"  # of the user, not of the inventory: not enough
    assert way(tmp_path, monkeypatch, config, extra={"ansible_ssh_common_args": arguments}).strict == strict


def test_arguments_with_an_open_quote_are_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InventoryError):
        way(tmp_path, monkeypatch, extra={"ansible_ssh_common_args": "-o 'ProxyCommand=x"})


# The fake


def test_a_thousand_computers_are_cheap() -> None:
    def computer(command: str) -> Script:
        yield Say(MARK)
        while line := (yield Hear()):
            yield Say(line)

    options = Options(cache={"memory": {f"pc{number}": computer for number in range(1000)}})
    channels = [boot(Connection("memory", address=f"pc{number}"), options=options) for number in range(1000)]
    for number, channel in enumerate(channels):
        channel.write(b"%d\n" % number)
    assert [int(channel.read_line(1)) for channel in channels] == list(range(1000))


def test_bytes_are_heard_in_the_size_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(command: str) -> Script:
        yield Say(MARK)
        first = yield Hear(3)
        rest = yield Hear(100)
        yield Say(first + b"|" + rest + b"\n")

    channel = booted(reading, monkeypatch)
    for piece in (b"a", b"bcd", b"e"):
        channel.write(piece)
    channel.close_write()
    assert channel.read_line(5) == b"abc|de\n"
