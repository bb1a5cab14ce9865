"""Leaves of the playbook's models, and what all models share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import CoreSchema, core_schema

from controller import units
from controller.text import Text
from controller.units import Template, UnitError, is_template

_VARIABLE = {"type": "string", "pattern": r"\{\{.*\}\}"}


@dataclass(frozen=True, eq=False)
class Word:
    """A leaf: converted by ``units``, or kept as ``Template`` until the host is known."""

    to: str
    """A converter, as ``units.convert`` names it."""
    schema: Mapping[str, Any]
    fixed: bool = False
    """It takes no variables, for it must be the same on every computer."""

    def check(self, value: object) -> Any:
        """The normal form of what stands in the playbook."""
        if not is_template(value):
            return units.convert(self.to, value)
        if self.fixed:
            raise UnitError(
                Text("variabel tidak berlaku di sini", "variables mean nothing here"),
                Text("tulis nilainya langsung", "write the value itself"),
            )
        return Template(str(value), self.to)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: Any) -> dict[str, Any]:
        if self.fixed or (self.schema.get("type") == "string" and len(self.schema) == 1):
            return dict(self.schema)
        return {"anyOf": [dict(self.schema), dict(_VARIABLE)]}


def choice(*choices: str, fixed: bool = False) -> Word:
    """One of a few words."""
    return Word("choice:" + "|".join(choices), {"enum": list(choices)}, fixed)


_FILLED = {"type": "string", "minLength": 1}

String = Annotated[Any, Word("string", {"type": "string"})]
Filled = Annotated[Any, Word("filled", _FILLED)]
Anything = Annotated[Any, Word("anything", {})]
Argument = Annotated[Any, Word("argument", {"type": ["string", "integer"]})]
Bool = Annotated[Any, Word("boolean", {"type": "boolean"})]
Port = Annotated[Any, Word("port", {"type": "integer", "minimum": 1, "maximum": 65535})]
Count = Annotated[Any, Word("count", {"type": "integer", "minimum": 0})]
ExitCode = Annotated[Any, Word("exit_code", {"type": "integer", "minimum": -(2**31)})]
Status = Annotated[Any, Word("http_status", {"type": "integer", "minimum": 100, "maximum": 599})]
Size = Annotated[Any, Word("size", {"type": "string", "pattern": units.SIZE_PATTERN})]
TimeOfDay = Annotated[Any, Word("time_of_day", {"type": "string", "pattern": units.TIME_PATTERN})]
Duration = Annotated[Any, Word("duration", {"type": "string", "pattern": units.DURATION_PATTERN})]
Path = Annotated[Any, Word("path", _FILLED)]
RegistryKey = Annotated[Any, Word("registry_key", _FILLED)]
View = Annotated[Any, Word("registry_view", {"enum": [64, 32]})]
Start = Annotated[Any, Word("service_start", {"enum": [True, False, *units.SERVICE_STARTS]})]
Watched = Annotated[Any, Word("watched", _FILLED)]
Mode = Annotated[Any, Word("mode", {"type": "string", "pattern": units.MODE_PATTERN})]
Pattern = Annotated[Any, Word("pattern", {"type": "string", "format": "regex"})]
GroupPattern = Annotated[Any, Word("group_pattern", {"type": "string", "format": "regex"})]
Range = Annotated[Any, Word("version_range", {"type": "string", "pattern": units.VERSION_PATTERN})]
Url = Annotated[Any, Word("url", _FILLED)]
Name = Annotated[Any, Word("name", _FILLED)]
Package = Annotated[Any, Word("package", _FILLED)]
FileDigest = Annotated[Any, Word("digest", {"type": "string", "pattern": units.DIGEST_PATTERN})]

Digest = Annotated[Any, Word("digest", {"type": "string", "pattern": units.DIGEST_PATTERN}, fixed=True)]
Fixed = Annotated[Any, Word("filled", _FILLED, fixed=True)]
FixedName = Annotated[Any, Word("name", {"type": "string", "pattern": units.NAME_PATTERN}, fixed=True)]
FixedRange = Annotated[Any, Word("version_range", {"type": "string", "pattern": units.VERSION_PATTERN}, fixed=True)]
Architecture = Annotated[Any, Word("architecture", _FILLED, fixed=True)]
Attempts = Annotated[Any, Word("attempts", {"type": "integer", "minimum": 1, "maximum": 10}, fixed=True)]


@dataclass(frozen=True)
class OneOrMany:
    """A list that may be written as its only entry."""

    unwrap: bool = False
    """A single entry stays one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        def check(value: object, inner: Any) -> Any:
            if isinstance(value, list):
                return inner(value)
            return inner([value])[0] if self.unwrap else inner([value])

        as_it_is = core_schema.plain_serializer_function_ser_schema(lambda value: value) if self.unwrap else None
        return core_schema.no_info_wrap_validator_function(check, handler(source), serialization=as_it_is)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: Any) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


Statuses = Annotated[list[Status], OneOrMany(unwrap=True)]
ExitCodes = Annotated[list[ExitCode], OneOrMany(unwrap=True)]
FixedNames = Annotated[list[FixedName], OneOrMany(unwrap=True)]
Architectures = Annotated[list[Architecture], OneOrMany(unwrap=True)]
Arguments = Annotated[list[Argument], OneOrMany(unwrap=True)]


class Strict(BaseModel):
    """Unknown words are refused; of ``one_of`` exactly one must stand, of ``any_of`` at least one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    one_of: ClassVar[tuple[str, ...]] = ()
    any_of: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _check_choices(self) -> Strict:
        given = [w for w in self.one_of if getattr(self, w) is not None]
        words = ", ".join(self.one_of or self.any_of)
        if self.one_of and len(given) != 1:
            raise UnitError(
                Text(f"tepat satu dari {words} harus ada", f"exactly one of {words} must stand here"),
                Text(f"sisakan satu: {' atau '.join(given)}", f"keep one: {' or '.join(given)}")
                if given
                else Text(f"tulis salah satu: {words}", f"write one of: {words}"),
            )
        if self.any_of and all(getattr(self, w) is None for w in self.any_of):
            raise UnitError(
                Text(f"paling sedikit satu dari {words} harus ada", f"at least one of {words} must stand here"),
                Text(f"tambahkan salah satu: {words}", f"add one of: {words}"),
            )
        return self


class Kinds(Strict):
    """One entry of a section: a mapping of one kind to its words."""

    @model_validator(mode="after")
    def _check_one(self) -> Kinds:
        given = sorted(self.model_fields_set)
        if len(given) != 1:
            raise UnitError(
                Text("satu butir memuat satu jenis saja", "one entry holds one kind"),
                Text("tulis '- jenis: {kata: nilai}'", "write '- kind: {word: value}'"),
            )
        if getattr(self, given[0]) is None:
            raise UnitError(
                Text(f"{given[0]} belum diisi", f"{given[0]} has no words"),
                Text(f"tulis '- {given[0]}: {{kata: nilai}}'", f"write '- {given[0]}: {{word: value}}'"),
            )
        return self

    def normal(self) -> dict[str, Any]:
        """``{"kind": …, words…}`` as the plan has it."""
        ((kind, words),) = self.model_dump(exclude_none=True, by_alias=False).items()
        if "unless" in words:
            words["unless"] = {"kind": "command", **words["unless"]}
        return {"kind": kind, **{k.rstrip("_"): v for k, v in words.items()}}
