"""Forms of the directory's objects that are quick to ask, made when first needed; for routing."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

Source = TypeVar("Source")
Form = TypeVar("Form")


class Compiled(Generic[Source, Form]):
    """`make`'s result for each source, kept as long as the source lives.

    By identity: to hash everything that a number is configured with takes longer than a decision.
    A form must not refer to its source.
    """

    def __init__(self, make: Callable[[Source], Form]) -> None:
        self._make = make
        self._forms: dict[int, tuple[weakref.ref[Source], Form]] = {}

    def __call__(self, source: Source) -> Form:
        """The source's form."""
        key = id(source)
        found = self._forms.get(key)
        if found is not None:
            return found[1]
        form = self._make(source)
        self._forms[key] = (weakref.ref(source, lambda _: self._forms.pop(key, None)), form)
        return form
