"""The order of files when several are run at once, and which tests run once more when they fail."""

from __future__ import annotations

import pytest

SLOW = ("windows_orders", "chaos_draw", "spine_fleet", "unseen_proof", "unseen_software", "windows_agent")
"""Files of minutes; begun last they would be waited for alone. The first builds the Windows computer, if there is none
yet, while the others are busy with Linux."""
ON_WINE = ("windows", "winrm")
"""Files of the lab and of contracts whose tests run on Windows computers of the lab. Wine itself failed there now
and then (a program that had nothing to do, services that did not answer after a boot), not twice alike; so a test that
fails there runs once more, and the summary names it. One that fails twice fails."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, then the lab's, then all others, each in their own order."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_")
        return SLOW.index(name) if name in SLOW else len(SLOW) + (item.path.parent.name != "lab")

    items.sort(key=place)
    for item in items:
        if item.path.parent.name in ("lab", "contract") and any(word in item.path.stem for word in ON_WINE):
            item.add_marker(pytest.mark.flaky(reruns=1))
