"""What the demo's calls left behind, shown by the commands that everybody has."""

import asyncio
import os
import sys
from collections.abc import Mapping

from callctl.errors import StackFailed
from callctl.stack.run import PROJECT_DIR
from tests.demo.screen import Screen

EXAMPLE = "deploy/example-tenant.yaml"
_COMMAND_SECONDS_MAX = 30.0
_TABLES = (
    ("The CDRs, newest first", ("cdr", "list")),
    (
        "Why the calls to the hotline went as they did",
        ("cdr", "list", "--trace", "--did", "4007654321"),
    ),
    ("The ledger statement of acme", ("account", "show", "acme", "--statement", "30")),
    ("The ledger statement of shortcash", ("account", "show", "shortcash", "--statement", "60")),
    ("All balances", ("account", "list")),
)


async def apply_example(environment: Mapping[str, str]) -> str:
    """Load the example tenants by `callctl apply`; returns its last line, the summary."""
    output = await _callctl(("apply", EXAMPLE), environment, is_shown=False)
    return output.strip().rpartition("\n")[2]


async def show_results(environment: Mapping[str, str], screen: Screen) -> None:
    """CDRs, a trace, statements and balances, each with the command that shows it."""
    for title, arguments in _TABLES:
        screen.say()
        screen.say(title, style="bold")
        screen.say(f"$ callctl {' '.join(arguments)}", style="dim")
        await _callctl(arguments, environment, is_shown=True)


async def _callctl(
    arguments: tuple[str, ...], environment: Mapping[str, str], *, is_shown: bool
) -> str:
    """Run a callctl command against the demo's stack; raises StackFailed when it fails."""
    sys.stdout.flush()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", *arguments),
        cwd=PROJECT_DIR,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=None if is_shown else asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if not is_shown else None,
    )
    try:
        async with asyncio.timeout(_COMMAND_SECONDS_MAX):
            output, _ = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    text = (output or b"").decode()
    if process.returncode != 0:
        raise StackFailed(f"callctl {' '.join(arguments)} failed:\n{text}".rstrip())
    return text
