"""The order of files when several are run at once, and which tests run once more when they fail."""

from __future__ import annotations

from contextlib import suppress

import pytest

SLOW = (
    "windows_orders",
    "spine_fleet",
    "unseen_proof",
    "unseen_software",
    "spine_bad",
    "spine_recovery",
    "spine_rollback",
    "chaos_draw",
    "windows_agent",
)
"""Files of minutes; begun last they would be waited for alone. The first builds the Windows computer, if there is none
yet, and those that need it too come when it stands: the others are busy with Linux meanwhile."""
ON_WINE = ("windows", "winrm")
"""Files of the lab and of contracts whose tests run on Windows computers of the lab. Wine itself failed there now and
then (a program not started: error 1359, internal; services that did not answer after a boot), not twice alike; so a
test that fails there runs once more, and the summary names it. One that fails twice fails."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, then the lab's, then all others, each in their own order."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_")
        return SLOW.index(name) if name in SLOW else len(SLOW) + (item.path.parent.name != "lab")

    items.sort(key=place)
    for item in items:
        if item.path.parent.name in ("lab", "contract") and any(word in item.path.stem for word in ON_WINE):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second try has computers of its own: those of its file may stand as the first left them."""
    if getattr(item, "execution_count", 1) > 1:
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            for definition in definitions:
                if definition.scope == "module":
                    with suppress(Exception):  # what the first left behind is told of with it
                        definition.finish(item._request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why the first try of those failed, so that nothing is hidden."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"failed at first: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
