"""Fixtures of the fault tests, who runs beside whom, and their report."""

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.faults.forms import IS_LONG, SEED
from tests.faults.report import Report, told
from tests.faults.site import Grounds, Site, grounds, open_site
from tests.faults.together import in_the_room
from tests.plugins.asterisk import ROOT

_FAMILIES = Path(__file__).parent.relative_to(ROOT).as_posix() + "/"
_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_report = Report()


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


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all workers of this run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if _IS_WORKER else folder


@pytest.hookimpl(wrapper=True, tryfirst=True)  # so that waiting does not count as the test's time
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test marked `alone` run while no other one of the faults does."""
    if not item.nodeid.startswith(_FAMILIES):
        return (yield)
    is_alone = item.get_closest_marker("alone") is not None
    with in_the_room(ROOT / "var" / "faults", is_alone=is_alone):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the seed and what the test told: as text, for it may go to another process."""
    result = yield
    sites = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Site)]
    numbers = told(dict(item.user_properties) | (sites[0].numbers if sites else {}))
    result.user_properties = [("seed", str(SEED)), ("numbers", numbers)]
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Put it into the report, where the run is led."""
    if not _IS_WORKER and report.nodeid.startswith(_FAMILIES):
        _report.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what came of all and how to run them again; after a long run, what came of each."""
    if not _report.lines:
        return
    terminalreporter.section("faults")
    for line in [*(_report.table() if IS_LONG else []), *_report.totals()]:
        terminalreporter.write_line(line)
    if _report.path is not None:
        terminalreporter.write_line(f"also in {_report.path}")
