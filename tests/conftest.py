"""The order of files when several are run at once: what boots computers takes longest and comes first."""

from __future__ import annotations

import pytest

SLOW = ("chaos_draw", "spine_fleet", "windows_orders", "windows_agent", "unseen")
"""Files of minutes; begun last they would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, then the lab's, then all others, each in their own order."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_")
        return 0 if name.startswith(SLOW) else 1 if item.path.parent.name == "lab" else 2

    items.sort(key=place)
