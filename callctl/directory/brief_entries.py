"""Entries that are written briefly, and the types of their fields; for the entries of answering.

A field that is as it would be anyway is left out of exports and differences, and an entry of which
only the first field is set may be its text alone. For the database everything is written.
"""

from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from callctl.directory import answering_fields
from callctl.directory.price_entries import IN_FIELDS, STORED, Entry, shown_to_people

_PROMPT_CHECK = AfterValidator(answering_fields.check_prompt)
Prompt = Annotated[
    str, Field(pattern=answering_fields.PROMPT_PATTERN, max_length=100), _PROMPT_CHECK
]
TargetText = Annotated[
    str,
    AfterValidator(answering_fields.check_target),
    Field(json_schema_extra={"pattern": answering_fields.TARGET_PATTERN}),
]
Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]
CallerPrefix = Annotated[
    str, Field(max_length=40), AfterValidator(answering_fields.read_caller_prefix)
]
CallerPrefixes = Annotated[list[CallerPrefix], AfterValidator(lambda found: sorted(set(found)))]
CallerRange = Annotated[
    str,
    Field(max_length=80),
    AfterValidator(answering_fields.read_range),
    shown_to_people(answering_fields.show_range),
]


class BriefEntry(Entry):
    """An entry of which only what is set is written; `always` names the exceptions.

    `short` is the field (as the file calls it) that text alone stands for.
    """

    always: ClassVar[frozenset[str]] = frozenset()
    short: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _take_text(cls, value: Any) -> Any:
        return {cls.short: value} if cls.short and isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        plain = handler(self)
        if info.context == STORED:
            return plain
        for name, field in type(self).model_fields.items():
            if name not in self.always and getattr(self, name) == field.default:
                plain.pop(field.alias or name, None)
        return plain[self.short] if list(plain) == [self.short] else plain

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.short:
            found = handler.resolve_ref_schema(schema)
            fields = dict(found)
            found.clear()
            found["anyOf"] = [{"type": "string"}, fields]
        return schema


def refuse_fields(problems: list[tuple[str, str]]) -> None:
    """Raise the error that lists what fields say against each other: field and message."""
    if problems:
        raise PydanticCustomError(IN_FIELDS, "fields contradict", {"problems": problems})
