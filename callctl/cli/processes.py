"""`callctl run`, `callctl switch`, `callctl web`: the commands that stay."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from callctl import log
from callctl.cli import show
from callctl.cli.session import load_settings
from callctl.errors import StackFailed
from callctl.settings import Settings
from callctl.stack.ports import Ports

if TYPE_CHECKING:
    from callctl.stack.run import Stack

DRAINED_EXIT_CODE = 150
"""Of a switch that was drained: systemd does not start it again (RestartPreventExitStatus)."""

Ended = TypeVar("Ended")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("run")(run)
    app.command("switch")(switch)
    app.command("web")(web)


def run(
    port_base: Annotated[
        int | None,
        typer.Option(min=1024, max=63000, help="All ports from here on, not the usual ones."),
    ] = None,
) -> None:
    """Run it all here until Ctrl-C: PostgreSQL, Asterisk, switch and web."""
    asyncio.run(_run(load_settings(), port_base))


def switch() -> None:
    """Run the switch alone: it takes the calls that Asterisk hands over."""
    from callctl.app.switch import run_switch  # noqa: PLC0415 - other commands start without it

    if _stay(run_switch(_logging_settings())):
        raise typer.Exit(DRAINED_EXIT_CODE)


def web() -> None:
    """Run the API, the console and the FastAGI look-ups alone."""
    from callctl.app.web import run_web  # noqa: PLC0415 - other commands start without it

    _stay(run_web(_logging_settings()))


async def _run(settings: Settings, port_base: int | None) -> None:
    from callctl.stack.run import Stack  # noqa: PLC0415 - other commands start without it

    log.configure("warning")
    _cancel_by_signal()
    stack = Stack(
        "run",
        _ports(settings, port_base),
        settings.var_dir,
        database_url=settings.database_url,
        pg_bin=settings.pg_bin,
        report=lambda line: print(line, flush=True),
    )
    try:
        async with stack:
            _print_places(stack)
            raise StackFailed(await stack.wait_until_broken())
    except asyncio.CancelledError:
        print("stopped")


def _ports(settings: Settings, port_base: int | None) -> Ports:
    if port_base is not None:
        return Ports.at(port_base)
    return replace(
        Ports.usual(),
        ami=settings.ami_port,
        agi=settings.agi_port,
        api=settings.api_port,
        metrics=settings.metrics_port,
    )


def _cancel_by_signal() -> None:
    """Let the first Ctrl-C or SIGTERM cancel this task; stopping itself is not interrupted."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if task is not None and not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel)


def _print_places(stack: "Stack") -> None:
    """Say what listens where, and what to type next."""
    sip, carrier = stack.ports.sip, stack.ports.carrier
    rows = [
        ("console", f"{stack.api_url}/"),
        ("API", f"{stack.api_url}/v1/calls"),
        ("metrics", f"http://127.0.0.1:{stack.ports.metrics}/metrics, /health/ready"),
        ("SIP", f"udp 127.0.0.1:{sip} takes calls; lines are called at udp 127.0.0.1:{carrier}"),
        ("ARI", stack.asterisk.ari_url),
        ("FastAGI", f"agi://127.0.0.1:{stack.ports.agi}/area"),
        ("PostgreSQL", "embedded" if stack.postgres else "CALLCTL_DATABASE_URL"),
        *((f"log of {part}", _from_here(path)) for part, path in stack.logs.items()),
    ]
    callctl = "callctl" if shutil.which("callctl") else _from_here(Path(sys.argv[0]))
    if stack.var_dir != Path(Settings.model_fields["var_dir"].default).absolute():
        callctl = f"CALLCTL_VAR_DIR={_from_here(stack.var_dir)} {callctl}"
    print()
    show.print_table(("what", "where"), rows, none="")
    print(
        f"""
In another terminal, in this folder:
  {callctl} apply deploy/example-tenant.yaml   load the example tenants
  {callctl} calls --watch                      the calls of this moment
  {callctl} cdr list                           those that have ended
  {callctl} doctor                             look at everything a call needs
A test call, once the example is loaded: a telephone that answers, and one that calls it:
  sipp -sn uas -i 127.0.0.1 -p {carrier}
  sipp -sn uac -i 127.0.0.1 -s 4001234567 -d 5000 -m 1 127.0.0.1:{sip}
Ctrl-C stops it all.""",
        flush=True,
    )


def _from_here(path: Path) -> str:
    """The path as one would type it in this folder."""
    full = path.absolute()
    here = Path.cwd()
    return str(full.relative_to(here) if full.is_relative_to(here) else full)


def _logging_settings() -> Settings:
    settings = load_settings()
    log.configure(settings.log_level, is_patient=True)
    return settings


def _stay(coroutine: Coroutine[Any, Any, Ended]) -> Ended:
    import uvloop  # noqa: PLC0415 - other commands start without it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)
