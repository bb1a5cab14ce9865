"""The agent's own words beside what it quotes of the computer."""

from __future__ import annotations

import pytest

from agent.protocol import text
from agent.removal import named
from agent.words import FREE, PLACE, both, line, seconds, word


def test_parts_are_joined_in_each_language_and_empty_ones_left_out():
    assert line("80/tcp", FREE, between=" ") == text("80/tcp bebas", "80/tcp free")
    assert line(FREE, "", "free") == text("bebas, free", "free, free"), "what is quoted stays as it is"


def test_what_both_languages_write_alike_is_a_string():
    assert line("file", "0644") == "file, 0644"
    assert line() == ""
    assert both("x") == text("x", "x")
    assert both(FREE) == FREE


def test_numbers_have_the_decimal_mark_of_each_language():
    assert seconds("2.5") == text("2,5 dtk", "2.5 s")


def test_a_word_we_have_not_is_shown_as_it_is():
    assert word(PLACE, "link") == text("tautan", "link")
    assert word(PLACE, "door") == "door"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"kind": "file", "path": "/etc/loket.ini", "content": "x"}, "/etc/loket.ini"),
        ({"kind": "archive", "payload": "loket", "into": "/opt/loket"}, "/opt/loket"),
        ({"kind": "service", "name": "nginx", "state": "running"}, "nginx"),
        ({"kind": "command", "argv": ["touch", "/x"]}, "touch /x"),
        ({"kind": "command", "shell": "echo x > /x"}, "echo x > /x"),
        ({"kind": "deb", "payloads": ["nginx"], "packages": ["curl"]}, "nginx curl"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_what_is_left_behind_goes_by_its_own_name(spec, name):
    assert named(spec) == name
