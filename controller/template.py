"""``{{ variables }}`` of one host, filled in: sandboxed, strict, and aware of which secrets it let through.

Variables may hold variables themselves, as in Ansible; they are resolved when they are first needed. Importing jinja2
costs 25 ms of every start, so the two forms that nearly all values have, ``{{ name }}`` and
``{{ name | default('…') }}``, are filled in here; whatever else stands between braces goes to jinja2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from controller.bounds import LIMIT, TooMuch, begin, weigh
from controller.settings import Secret
from controller.source import nearest
from controller.text import Text

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.nodes import Node

    from controller.sandbox import Bounded

_DEPTH_LIMIT = 20
DERIVED_LENGTH = 6
"""From this length on, text made out of a secret is a secret."""
_SIMPLE = re.compile(
    r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*"
    r"(?:\|\s*default\(\s*(?:'([^'\\\n]*)'|\"([^\"\\\n]*)\"|(0|[1-9][0-9]{0,15}))\s*\)\s*)?\}\}"
)
_RESERVED = frozenset(
    {
        *("true", "false", "none", "True", "False", "None", "not", "and", "or", "if", "else", "elif", "in", "is"),
        *("loop", "self", "super", "caller", "varargs", "kwargs"),
        *("range", "dict", "lipsum", "cycler", "joiner", "namespace"),
    }
)
"""Names that mean something to jinja2 itself."""
_WHOLE = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}).)+)\}\}\s*", re.DOTALL)


_NO_LIST = re.compile(r"'(\w+)' object is not iterable")
"""Source: Python's sentence, of a value that is gone through; it names a type and no value."""


class TemplateFault(Exception):
    """A template that cannot be filled in; ``line`` counts within it from 1."""

    def __init__(self, what: Text, hint: Text, line: int = 1) -> None:
        super().__init__(what.en)
        self.what = what
        self.hint = hint
        self.line = line


class Scope:
    """The variables of one host while values are filled in.

    ``revealed`` collects the secrets that stand in what was rendered, each as it stands there.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._plain: dict[str, Any] = {}
        self._secrets: dict[str, tuple[str, ...]] = {}
        self._open: list[str] = []
        self.revealed: set[str] = set()

    def render(self, text: str, *, name: str = "<value>") -> str:
        """``text`` filled in; ``name`` is what the template is called in a traceback.

        Raises:
            TemplateFault: an unknown variable, a wrong expression, something the sandbox forbids.
        """
        parts = _parts(text)
        if parts is not None:
            result, secrets = self._joined(parts)
        else:
            template, needed = _compiled(text, name)
            context, secrets = self._context(needed)
            result = str(_call(lambda: template.render(context), name, self._variables))
        self.revealed |= _standing(secrets, result)
        return result

    def value(self, name: str) -> Any:
        """A variable with the variables within it filled in; secrets are revealed.

        Raises:
            KeyError: there is no such variable.
            TemplateFault: it leads back to itself, or as ``render``.
        """
        if name not in self._plain:
            if name in self._open or len(self._open) > _DEPTH_LIMIT:
                chain = " → ".join([*self._open, name])
                raise TemplateFault(
                    Text(f"variabel berputar: {chain}", f"variables lead in a circle: {chain}"),
                    Text("tulis salah satunya sebagai nilai biasa", "write one of them as a plain value"),
                )
            raw = self._variables[name]
            self._open.append(name)
            try:
                secrets: set[str] = set()
                value = self._fill(raw, secrets)
                _weighed(value)
                self._plain[name] = value
                self._secrets[name] = tuple(s for s in sorted(secrets) if s)
            finally:
                self._open.pop()
        return self._plain[name]

    def _joined(self, parts: tuple[_Part, ...]) -> tuple[str, set[str]]:
        """The parts of a simple text put together, and the secrets that went in."""
        words: list[str] = []
        secrets: set[str] = set()
        for part in parts:
            if part.name in self._variables:
                words.append(str(self.value(part.name)))
                secrets.update(self._secrets[part.name])
                if sum(map(len, words)) > LIMIT:
                    raise _too_much(part.line)
            elif part.text is None:
                raise _unknown(part.name, part.line, self._variables)
            else:
                words.append(part.text)
        return "".join(words), secrets

    def _context(self, needed: Iterable[str]) -> tuple[dict[str, Any], set[str]]:
        context = {n: self.value(n) for n in needed if n in self._variables}
        return context, {s for n in context for s in self._secrets[n]}

    def _fill(self, raw: Any, secrets: set[str]) -> Any:
        if isinstance(raw, Secret):
            text = raw.reveal()
            secrets.add(text)
            return text
        if isinstance(raw, str) and "{{" in raw:
            return self._expression(raw, secrets)
        if isinstance(raw, Mapping):
            return {k: self._fill(v, secrets) for k, v in raw.items()}
        if isinstance(raw, (list, tuple)):
            return [self._fill(v, secrets) for v in raw]
        return raw

    def _expression(self, raw: str, secrets: set[str]) -> Any:
        """A variable's own template: a single ``{{ … }}`` keeps the type of what it means."""
        parts = _parts(raw)
        if parts is not None:
            if len(parts) == 1 and parts[0].name in self._variables:
                value = self.value(parts[0].name)
                secrets.update(self._secrets[parts[0].name])
                return value
            value, inner = self._joined(parts)
            secrets |= _standing(inner, value)
            return value
        template, needed = _compiled(raw, "<variable>")
        context, inner = self._context(needed)
        whole = _WHOLE.fullmatch(raw)
        if whole:
            expression = _environment().compile_expression(whole[1], undefined_to_none=False)
            value = _call(lambda: expression(context), "<variable>", self._variables)
            if type(value).__name__ == "StrictUndefined":
                value = _call(lambda: str(value), "<variable>", self._variables)
        else:
            value = _call(lambda: template.render(context), "<variable>", self._variables)
        secrets |= _standing(inner, str(value))
        return value


def _standing(secrets: Iterable[str], result: str) -> set[str]:
    """Secrets as they stand in what was rendered.

    One that was changed on its way (encoded, cut) is hidden with all that surrounds it; unless that is so short that
    hiding it would hide half a record, and says little (a length, a digit).
    """
    return {s if s in result else result for s in secrets if s in result or len(result) >= DERIVED_LENGTH}


def check(text: str, *, name: str = "<value>") -> None:
    """Whether ``text`` is a correct template, before there is a host.

    Raises:
        TemplateFault: it is not.
    """
    if _parts(text) is None:
        _compiled(text, name)


class _Part(NamedTuple):
    """A piece of a simple text: a name, or where that is empty the text itself."""

    name: str
    text: str | None
    """What stands where there is no such variable; None: that is a mistake."""
    line: int


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[_Part, ...] | None:
    """The pieces of a text that has only the simple forms; None where jinja2 must read it."""
    if any(mark in text for mark in ("{%", "{#", "{{{", "\r")):
        return None
    parts: list[_Part] = []
    end = 0
    for match in _SIMPLE.finditer(text):
        parts.append(_Part("", text[end : match.start()], 0))
        default = next((d for d in match.groups()[1:] if d is not None), None)
        parts.append(_Part(match[1], default, text.count("\n", 0, match.start()) + 1))
        end = match.end()
    parts.append(_Part("", text[end:], 0))
    if any(p.name in _RESERVED or (not p.name and "{{" in (p.text or "")) for p in parts):
        return None
    return tuple(p for p in parts if p.name or p.text)


@lru_cache(maxsize=1)
def _environment() -> Bounded:
    from controller.sandbox import Bounded

    return Bounded()


@lru_cache(maxsize=1024)
def _compiled(text: str, name: str) -> tuple[Template, tuple[str, ...]]:
    """The template and the names it needs: compiled once for all hosts."""
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.meta import find_undeclared_variables

    environment = _environment()
    begin()  # what is the same for all hosts is filled in now
    try:
        tree = environment.parse(text, name, name)
        for other in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise _alone(other)
        needed = tuple(sorted(find_undeclared_variables(tree)))
        code = environment.compile(tree, name, name)
        template = environment.template_class.from_code(environment, code, environment.make_globals(None))
    except TemplateSyntaxError as error:
        said = error.message or ""
        raise TemplateFault(
            Text(f"bukan template yang benar ({said})", f"not a correct template ({said})"),
            Text("periksa kurung {{ … }} dan nama filternya", "check the braces {{ … }} and the names of filters"),
            error.lineno,
        ) from error
    except (SyntaxError, MemoryError, RecursionError) as error:  # of Python, for what jinja2 made of it
        raise _too_much(1) from error
    return template, needed


def _call(render: Any, name: str, variables: Mapping[str, Any]) -> Any:
    """``render()``, with whatever a template can raise brought into one shape."""
    from jinja2 import TemplateError, UndefinedError

    begin()
    try:
        return render()
    except (TooMuch, MemoryError, RecursionError) as error:
        raise _too_much(_line(error, name)) from None
    except UndefinedError as error:
        raise _undefined(error, _line(error, name), variables) from None  # its cause may quote values
    except (
        TemplateError,
        ArithmeticError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
    ) as error:
        kind = type(error).__name__
        if found := _NO_LIST.search(str(error)):
            raise TemplateFault(
                Text(f"di sini perlu daftar, bukan {found[1]}", f"a list is needed here, not {found[1]}"),
                Text(
                    "periksa yang di belakang 'in' atau di depan filter: tulis sebagai daftar, [a, b]",
                    "check what stands after 'in' or before the filter: write it as a list, [a, b]",
                ),
                _line(error, name),
            ) from None
        raise TemplateFault(
            Text(f"template tidak dapat diisi ({kind})", f"the template cannot be filled in ({kind})"),
            Text("periksa ungkapan di antara {{ dan }}", "check the expression between {{ and }}"),
            _line(error, name),
        ) from None


def _alone(other: Node) -> TemplateFault:
    """The fault of a template that would take in another one."""
    word = {"FromImport": "from"}.get(type(other).__name__, type(other).__name__.lower())
    return TemplateFault(
        Text(f"{{% {word} … %}} tidak didukung", f"{{% {word} … %}} is not supported"),
        Text(
            "tulis isinya dalam template ini sendiri, atau pakai satu template per berkas",
            "write its text into this template itself, or use one template a file",
        ),
        other.lineno,
    )


def _undefined(error: Exception, line: int, variables: Mapping[str, Any]) -> TemplateFault:
    match = re.search(r"'([^']+)' is undefined", str(error)) or re.search(r"has no attribute '([^']+)'", str(error))
    return _unknown(match[1] if match else "?", line, variables)


def _weighed(value: Any) -> None:
    """A variable's value, which may hold others' many times."""
    try:
        weigh(value)
    except TooMuch:
        raise _too_much(1) from None


def _too_much(line: int) -> TemplateFault:
    return TemplateFault(
        Text(
            "template ini membuat terlalu banyak: teks lebih panjang, pengulangan lebih sering, atau bersarang lebih "
            "dalam daripada yang diperbolehkan",
            "the template makes too much: longer text, more rounds of a loop, or deeper nesting than is allowed",
        ),
        Text(
            f"kurangi pengulangan, lebar, dan pangkatnya; batasnya {LIMIT // 1_000_000} juta huruf",
            f"lessen its repetitions, widths and powers; the limit is {LIMIT // 1_000_000} million characters",
        ),
        line,
    )


def _unknown(name: str, line: int, variables: Mapping[str, Any]) -> TemplateFault:
    near = nearest(name, sorted(variables), 1)
    return TemplateFault(
        Text(f"variabel '{name}' tidak dikenal", f"the variable '{name}' is not known"),
        Text(f"mungkin maksudnya {near[0]}", f"perhaps you mean {near[0]}")
        if near
        else Text(
            f"tambahkan {name} di inventaris, atau tulis {{{{ {name} | default('…') }}}}",
            f"add {name} to the inventory, or write {{{{ {name} | default('…') }}}}",
        ),
        line,
    )


def _line(error: BaseException, name: str) -> int:
    """The template's line out of the traceback, which jinja2 rewrites to the template's own lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
