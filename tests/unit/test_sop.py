"""The procedure as data: its numbers are the document's, its arcs lead from every step to the end."""

from __future__ import annotations

import pytest

from controller import sop
from controller.sop import Location, Result

USER, DATA_CENTER = Location.USER, Location.DATA_CENTER


def test_there_are_thirteen_steps_in_order() -> None:
    assert [step.no for step in sop.STEPS] == list(range(1, 14))
    assert all(step.activity.id and step.activity.en and step.actors for step in sop.STEPS)


def test_the_standard_times_add_up_to_107_minutes() -> None:
    assert sop.standard_minutes() == 107
    assert sop.standard_minutes(USER) == 105
    assert sop.standard_minutes(DATA_CENTER) == 87
    assert [step.no for step in sop.STEPS if step.standard_minutes is None] == [5, 8, 10]


def test_the_place_decides_which_steps_there_are() -> None:
    assert [no for no in range(1, 14) if not sop.applies(no, USER)] == [13]
    assert [no for no in range(1, 14) if not sop.applies(no, DATA_CENTER)] == [3, 12]


def way(location: Location, *, configure: bool = True) -> list[int]:
    """The numbers gone through when nothing goes wrong."""
    no: int | None = 1
    steps = []
    while no is not None:
        steps.append(no)
        no = sop.next_step(no, Result.OK, location=location, configure=configure)
    return steps


def test_the_way_when_nothing_goes_wrong() -> None:
    assert way(USER) == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert way(DATA_CENTER) == [1, 2, 4, 5, 6, 7, 9, 10, 11, 13]
    assert way(USER, configure=False) == [1, 2, 3, 4, 5, 6, 7, 9, 12]
    assert way(DATA_CENTER, configure=False) == [1, 2, 4, 5, 6, 7, 9, 13]


@pytest.mark.parametrize(
    ("no", "result", "to"),
    [
        (4, Result.NOT_MET, 1),
        (5, Result.FAILED, 8),
        (6, Result.FAILED, 8),
        (7, Result.FAILED, 8),
        (8, Result.OK, 1),
        (8, Result.FAILED, None),
        (10, Result.FAILED, 8),
        (11, Result.FAILED, 10),
        (1, Result.FAILED, None),
    ],
)
def test_where_a_step_that_fails_leads(no: int, result: Result, to: int | None) -> None:
    assert sop.next_step(no, result, location=USER) == to


def test_every_branch_is_one_that_the_steps_name() -> None:
    for step in sop.STEPS:
        for result in (Result.NOT_MET, Result.FAILED):
            to = sop.next_step(step.no, result, location=USER)
            assert to is None or to in [arc.to for arc in step.arcs]


@pytest.mark.parametrize("no", [0, 14, -1])
def test_there_is_no_other_step(no: int) -> None:
    with pytest.raises(ValueError, match="1 to 13"):
        sop.next_step(no, Result.OK, location=USER)
