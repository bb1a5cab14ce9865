"""Tests of contracts that need real computers use those of the lab."""

from tests.lab.fixtures import *  # noqa: F403
