"""Ansible's YAML inventory, as it is: groups, variables, ranges, patterns → hosts and how to reach them."""

from controller.inventory.connection import Connection
from controller.inventory.load import load
from controller.inventory.model import Group, Host, Inventory

__all__ = ["Connection", "Group", "Host", "Inventory", "load"]
