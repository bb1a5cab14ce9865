"""The tests of the lab itself use its fixtures."""

from tests.lab.fixtures import *  # noqa: F403
