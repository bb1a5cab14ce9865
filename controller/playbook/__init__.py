"""Playbooks: one software each, validated whole, every mistake named with its line."""

from controller.playbook.load import Payload, Playbook, load
from controller.units import Template

__all__ = ["Payload", "Playbook", "Template", "load"]
