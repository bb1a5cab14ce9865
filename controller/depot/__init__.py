"""The depot: installers by SHA-256, taken in once, inspected once, served to every computer."""

from controller.depot.inspect import Inspection, inspect
from controller.depot.intake import take_in
from controller.depot.store import Depot, Item

__all__ = ["Depot", "Inspection", "Item", "inspect", "take_in"]
