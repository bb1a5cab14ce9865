"""JSON by CPython's own accelerator, asked directly. Where Python has none, the package ``json`` does it.

Source: Modules/_json.c, and Lib/json/encoder.py and decoder.py for how it is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable

    fast: Any
else:
    try:
        import _json as fast
    except ImportError:
        fast = None

BLANK = " \t\n\r"


class Reading:
    """What the accelerator asks of whoever reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_int = int

    def __init__(self, parse_float: Callable[[str], Any], parse_constant: Callable[[str], Any]) -> None:
        self.parse_float = parse_float
        self.parse_constant = parse_constant


def decoder(
    parse_float: Callable[[str], Any] = float, parse_constant: Callable[[str], Any] = float
) -> Callable[[str], Any]:
    """What reads JSON; numbers with a point or an exponent, and the three that are none, become what these return."""
    if fast is None:
        from json.decoder import JSONDecoder

        return JSONDecoder(parse_float=parse_float, parse_constant=parse_constant).decode
    scan = fast.make_scanner(Reading(parse_float, parse_constant))

    def decode(content: str) -> Any:
        begin = len(content) - len(content.lstrip(BLANK))
        try:
            value, end = scan(content, begin)
        except StopIteration as stopped:
            raise ValueError(f"no JSON at character {stopped.value}") from None
        except SystemError:  # what is wrong it says through the package, and says nothing where that is not loaded
            from json import loads as worded

            return worded(content)
        if content[end:].strip(BLANK):
            raise ValueError(f"more than one value of JSON: character {end}")
        return value

    return decode


_decode = decoder()


def loads(content: str | bytes) -> Any:
    """JSON, bytes in UTF-8.

    Raises:
        ValueError: it is none.
    """
    return _decode(content if isinstance(content, str) else content.decode("utf-8", "surrogatepass"))


def load(file: IO[str] | IO[bytes]) -> Any:
    """The JSON of a file that is open.

    Raises:
        ValueError: it is none.
    """
    return loads(file.read())


def dumps(
    value: Any, *, ensure_ascii: bool = True, separators: tuple[str, str] = (", ", ": "), sort_keys: bool = False
) -> str:
    """A value as JSON in one line.

    Raises:
        TypeError: it holds what JSON does not know.
        ValueError: it holds itself.
    """
    if fast is None:
        from json import dumps as slow

        return slow(value, ensure_ascii=ensure_ascii, separators=separators, sort_keys=sort_keys)
    escape = fast.encode_basestring_ascii if ensure_ascii else fast.encode_basestring
    encode = fast.make_encoder({}, _unknown, escape, None, separators[1], separators[0], sort_keys, False, True)
    return "".join(encode(value, 0))


def dump(value: Any, file: IO[str]) -> None:
    """Write a value into a file that is open."""
    file.write(dumps(value))


def _unknown(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not known to JSON")
