"""The entry point of `callctl`: puts the commands together and turns errors into one line."""

import os
import sys

import typer

from callctl.cli import (
    accounts,
    areas,
    audio,
    audit,
    callbacks,
    calls,
    cdrs,
    doctor,
    drain,
    lines,
    missed,
    numbers,
    past_calls,
    processes,
    prompts,
    provisioning,
    rates,
    recordings,
    routes,
    tariffs,
    voicemails,
)
from callctl.errors import CallctlError

app = typer.Typer(
    help="Call control with live prepaid charging for national numbers, on Asterisk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (
    processes,
    provisioning,
    tariffs,
    cdrs,
    accounts,
    calls,
    missed,
    callbacks,
    voicemails,
    recordings,
    rates,
    routes,
    past_calls,
    audit,
    areas,
    audio,
    prompts,
    numbers,
    lines,
    drain,
    doctor,
):
    module.register(app)


def main() -> None:
    """Run the command line; exit code 1 and one line on stderr for a CallctlError."""
    try:
        app()
    except CallctlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `callctl cdr list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
