"""The tests of the lab, and of the product on its computers."""

from tests.lab.fixtures import *  # noqa: F403
from tests.lab.office import office  # noqa: F401
from tests.postgresql import postgresql  # noqa: F401
