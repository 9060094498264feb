"""The demo's exit code and what it says, on a stage without Asterisk and PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Self

import pytest

from callctl import clock
from tests.demo import __main__ as demo

_LONG_SECONDS = 60.0


class _Stack:
    """Stands in for callctl.stack.run.Stack: nothing is started."""

    last: "_Stack"

    def __init__(self, *_arguments: object, **_options: object) -> None:
        self.environment: dict[str, str] = {}
        self.is_stopped = False
        _Stack.last = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_stopped = True

    async def wait_until_broken(self) -> str:
        await clock.sleep(_LONG_SECONDS)
        return ""


async def _does_what_it_has_to(_world: object) -> None:
    """A call that goes well."""


async def _is_let_down(_world: object) -> None:
    """A call that does not go well."""
    raise AssertionError("the caller was charged")


async def _takes_long(_world: object) -> None:
    """A call that is not over when something else ends."""
    await clock.sleep(_LONG_SECONDS)


@contextlib.asynccontextmanager
async def _worlds(
    _stack: object,
) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[object]]]:
    async def nothing(*_arguments: object) -> list[object]:
        return []

    @contextlib.asynccontextmanager
    async def open_world() -> AsyncIterator[object]:
        views = SimpleNamespace(live_calls=nothing, accounts=nothing, cdrs=nothing)
        silent = SimpleNamespace(calls=[])
        yield SimpleNamespace(
            views=views, caller=silent, carrier=silent, nothing_left=nothing, happened=[]
        )

    yield open_world


@pytest.fixture(autouse=True)
def _stage(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_arguments: object) -> str:
        return ""

    monkeypatch.setattr(demo, "Stack", _Stack)
    monkeypatch.setattr(demo, "worlds", _worlds)
    monkeypatch.setattr(demo, "apply_example", nothing)
    monkeypatch.setattr(demo, "show_results", nothing)


def test_exit_code_is_0_when_all_went_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only when every call did what it had to is the exit code 0."""
    monkeypatch.setattr(demo, "DEMO_CALLS", (_does_what_it_has_to, _does_what_it_has_to))

    assert demo.main([]) == 0
    assert "2 of 2" in capsys.readouterr().out
    assert _Stack.last.is_stopped


def test_exit_code_is_1_when_one_call_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One call that fails is enough; it is named with its reason, and the others go on."""
    monkeypatch.setattr(demo, "DEMO_CALLS", (_is_let_down, _does_what_it_has_to))

    assert demo.main([]) == 1
    said = capsys.readouterr().out
    assert "1 of 2" in said
    assert "_is_let_down: the caller was charged" in said
    assert "Traceback" not in said
    assert _Stack.last.is_stopped


def test_a_part_that_ends_by_itself_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a part of the stack dies, the demo says so at once and stops the others."""

    async def broken(_stack: _Stack) -> str:
        return "switch ended unexpectedly"

    monkeypatch.setattr(_Stack, "wait_until_broken", broken)
    monkeypatch.setattr(demo, "DEMO_CALLS", (_takes_long,))

    assert demo.main([]) == 1
    assert "switch ended unexpectedly" in capsys.readouterr().out
    assert _Stack.last.is_stopped
