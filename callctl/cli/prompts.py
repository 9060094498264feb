"""`callctl prompts`: makes the shipped prompts by text to speech."""

from pathlib import Path
from typing import Annotated

import typer

from callctl import clock
from callctl.audio import LANGUAGES
from callctl.directory.areas import shipped_table
from callctl.errors import InvalidInput

_FOLDER = Path("var/prompts")  # where stack.asterisk takes them from


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="The shipped prompts.", no_args_is_help=True)
    group.callback()(_group)
    group.command("build")(build_command)
    app.add_typer(group, name="prompts")


def _group() -> None:
    """Keep `build` a word of its own, although it is the only command."""


def build_command(
    *,
    into: Annotated[Path, typer.Option(help="A folder that Asterisk takes sounds from.")] = _FOLDER,
    language: Annotated[
        list[str] | None, typer.Option(help=f"Of {', '.join(LANGUAGES)}; none: all.")
    ] = None,
) -> None:
    """Make what is missing or old of the shipped prompts, in seconds; needs sox."""
    from callctl.audio.building import build  # noqa: PLC0415 - other commands start without it

    languages = tuple(dict.fromkeys(language or LANGUAGES))
    unknown = [name for name in languages if name not in LANGUAGES]
    if unknown:
        raise InvalidInput(f"--language {unknown[0]}: write one of {', '.join(LANGUAGES)}")
    begun = clock.monotonic()
    try:
        made = build(into, languages, shipped_table().divisions)
    except OSError as error:
        raise InvalidInput(f"{into} cannot be written: {error.strerror}") from error
    count = sum(made.values())
    if count == 0:
        print(f"there: the prompts in {', '.join(languages)} in {into}")
        return
    print(
        f"{count} prompts in {', '.join(languages)} made in {into}"
        f" in {clock.monotonic() - begun:.1f} s"
    )
