"""The documentation's facts: settings, commands, packages, links and examples are the real ones."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main

import callctl
from callctl.cli.main import app
from callctl.directory.reading import read_document
from callctl.settings import Settings
from callctl.stack.ports import Ports

ROOT = Path(callctl.__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _section(name: str, heading: str) -> str:
    """The text below `heading` of a page, up to the next heading of its level or above."""
    level = heading.split(" ", 1)[0]
    _, _, rest = _text(name).partition(f"\n{heading}\n")
    assert rest, f"{name} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _rows(text: str) -> list[list[str]]:
    """The cells of each row of the first table in `text`, without its heading."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return cells[2:]


def test_settings_documented_are_the_real_ones() -> None:
    """docs/operations.md names every setting with its default, and no other."""
    documented = {
        row[0].strip("`"): row[1].strip("`")
        for row in _rows(_section("docs/operations.md", "## Settings"))
    }
    real = {
        f"CALLCTL_{name.upper()}": "unset" if field.default in {None, ""} else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert documented == real


def test_ports_documented_are_the_real_ones() -> None:
    """docs/operations.md names every port of `callctl run`."""
    rows = _rows(_section("docs/operations.md", "## Ports of `callctl run`"))
    documented = sorted(row[0].removesuffix("/udp").replace("–", "-") for row in rows)
    ports = Ports.usual()
    single = {ports.sip, ports.carrier, ports.ari, ports.ami, ports.agi, ports.api}
    single |= {ports.metrics, ports.postgres}
    assert documented == sorted([*map(str, single), f"{ports.rtp_first}-{ports.rtp_last}"])


def _commands() -> dict[str, set[str]]:
    """Every command by its full name, with its options."""
    found = {}
    waiting: list[tuple[str, Any]] = [("callctl", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", None)
        if below is None:
            options = {option for parameter in command.params for option in parameter.opts}
            found[name] = {option for option in options if option.startswith("--")} - {"--help"}
        else:
            waiting += [(f"{name} {word}", one) for word, one in below.items()]
    return found


def test_every_command_is_documented() -> None:
    """docs/cli.md has each command of `callctl` with its options."""
    page = _text("docs/cli.md")
    commands = _commands()
    assert {"callctl run", "callctl account show"} <= set(commands)
    for name, options in commands.items():
        assert f"`{name}" in page, f"docs/cli.md lacks {name}"
        missing = {option for option in options if option not in page}
        assert not missing, f"docs/cli.md lacks {missing} of {name}"


def test_every_command_named_exists() -> None:
    """No page names a command of `callctl` that there is none of."""
    real = set(_commands())
    for page in PAGES:
        for named in re.findall(r"`(callctl(?: [a-z]+)+)", page.read_text(encoding="utf-8")):
            words = named.split()
            beginnings = {" ".join(words[:count]) for count in (2, 3)}
            is_group = any(name.startswith(f"{named} ") for name in real)
            assert beginnings & real or is_group, f"{page.name}: there is no command {named}"


def test_make_targets_documented_exist() -> None:
    """No page names a target of make that there is none of."""
    targets = set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE))
    for page in PAGES:
        named = re.findall(
            r"(?:^ {4,}|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert set(named) <= targets, f"{page.name}: {set(named) - targets}"


def test_proofs_named_are_tests() -> None:
    """docs/proofs.md names only test functions that exist."""
    named = set(re.findall(r"`(test_\w+)`", _text("docs/proofs.md")))
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 10
    assert named <= tests, named - tests


def test_packages_documented_are_the_real_ones() -> None:
    """docs/architecture.md has the rows of import-linter's layers, which are all there is."""
    documented = [
        re.findall(r"`(\w+)`", row[0])
        for row in _rows(_section("docs/architecture.md", "## Packages"))
    ]
    contract = tomllib.loads(_text("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    assert documented == [layer.split(" | ") for layer in contract["layers"]]
    folders = {path.parent.name for path in (ROOT / "callctl").glob("[a-z]*/__init__.py")}
    modules = {path.stem for path in (ROOT / "callctl").glob("[a-z]*.py")}
    assert {name for row in documented for name in row} == folders | modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    """A link within the project leads to a file that is there, and to a heading of it."""
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = page if not name else (page.parent / name).resolve()
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page.name}: {link}"


def _anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have where Markdown is shown."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_example_of_the_readme_is_accepted() -> None:
    """The provisioning file in the README is one that callctl apply takes."""
    [example] = re.findall(r"```yaml\n(.*?)```", _text("README.md"), re.DOTALL)
    document = read_document(example.encode())

    assert [tenant.name for tenant in document.tenants] == ["mycompany"]


def test_every_page_is_reachable() -> None:
    """From the README each page of docs/ is reached by links."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        inner = [link.partition("#")[0] for link in links if not link.startswith("http")]
        waiting += [(page.parent / link).resolve() for link in inner if link]
    lost = [page.name for page in PAGES if page not in reached]
    assert not lost, f"no page links to {lost}: link them from README.md"
