"""The Form Instalasi: a pure function of the records, then text, JSON and PDF; its digest and its signatures."""

from __future__ import annotations

from controller.form.model import Form
from controller.form.project import project

__all__ = ["Form", "project"]
