"""YAML as people wrote it: plain values that remember their lines, read fast and without surprises.

The C parser of PyYAML gives events; the values are built here, so that every mapping knows the line of each key, a key
written twice is a mistake, a tag never makes an object, and a bomb of aliases is counted before anyone walks it.
Scalars are resolved as Ansible reads them (YAML 1.1: ``yes`` is true, ``0644`` is octal), without dates and base 60.
"""

from controller.source.files import Document, expanded, line_of, parse, read, read_text
from controller.source.values import Map, Octal, Real, Seq, resolve
from controller.source.words import nearest

__all__ = [
    "Document", "Map", "Octal", "Real", "Seq", "expanded", "line_of", "nearest", "parse", "read", "read_text",
    "resolve",
]  # fmt: skip
