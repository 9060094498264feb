"""Fixtures of the fault tests, and their report."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.forms import IS_LONG, SEED
from tests.faults.site import Grounds, Site, grounds, open_site

_lines: list[report.Line] = []


@pytest.fixture(scope="module", name="grounds")
async def _grounds() -> AsyncIterator[Grounds]:
    """The module's Asterisk and PostgreSQL."""
    async with grounds() as made:
        yield made


@pytest.fixture
async def site(grounds: Grounds, tmp_path: Path) -> AsyncIterator[Site]:
    """A test's own database, tenants and telephones there; no switch is started yet."""
    async with open_site(grounds, tmp_path) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the test's line when it has run, or could not."""
    result = yield
    if result.when == "call" or (result.when == "setup" and not result.passed):
        sites = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Site)]
        told = dict(item.user_properties) | (sites[0].numbers if sites else {})
        numbers = ", ".join(f"{name} {_short(number)}" for name, number in told.items())
        family = item.path.stem.removeprefix("test_")
        name = item.name.removeprefix("test_").replace("_", " ")
        line = report.Line(f"{family}: {name}", numbers, result.outcome, result.duration)
        _lines.append(line)
        report.write(line)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with which seed to run them again; after a long run, what came of each."""
    if not _lines:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(f"the same again: CALLCTL_FAULTS_SEED={SEED}")
    if IS_LONG:
        for line in report.table(_lines):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"also in {report.PATH}")


def _short(number: object) -> str:
    return f"{number:.3g}" if isinstance(number, float) else str(number)
