"""``namedtuple``: made, compared and unpacked as that of ``collections``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import namedtuple as namedtuple
else:
    from _collections import _tuplegetter

    def namedtuple(name, fields, *, defaults=()):
        """A tuple whose fields, named in one string, have names too."""
        names = fields.split()
        words = ", ".join(names)
        members = {field: _tuplegetter(place, "") for place, field in enumerate(names)}
        # What is compiled is written in the agent's own source. As collections does it: a call costs no loop.
        make = eval(f"lambda cls, {words}: new(cls, ({words},))", {"new": tuple.__new__})  # noqa: S307
        make.__defaults__ = defaults
        members["__repr__"] = lambda self: f"{name}({', '.join(f'{n}={v!r}' for n, v in zip(names, self))})"
        members.update(__slots__=(), __new__=make, _fields=tuple(names))
        return type(name, (tuple,), members)
