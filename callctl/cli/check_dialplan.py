"""Doctor's look at the dialplan: does a call get its first limit, and can nothing take it off.

When a limit ends Asterisk looks for an extension T, then e, in the call's context; if it finds
one it goes on there and forgets the limit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callctl.cli.findings import Finding, fail, judge, ok, warn

_DROPPING = ("T", "e")
_ASTERISKS_OWN = ("res_stasis",)  # makes a context stasis-<app> that no call enters by itself


@dataclass
class Context:
    """A context of the dialplan: extension -> its (application, data) in order of priority."""

    extensions: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)


def read_dialplan(events: Iterable[Mapping[str, str]]) -> dict[str, Context]:
    """Contexts from the events of AMI's ShowDialPlan."""
    contexts: dict[str, Context] = {}
    for event in events:
        if event.get("event") != "ListDialplan" or event.get("registrar") in _ASTERISKS_OWN:
            continue
        context = contexts.setdefault(event["context"], Context())
        if "includecontext" in event:
            context.includes.append(event["includecontext"])
        elif "extension" in event:
            steps = context.extensions.setdefault(event["extension"], [])
            steps.append((event.get("application", ""), event.get("appdata", "")))
    return contexts


def check_dialplan(contexts: Mapping[str, Context], ari_app: str) -> list[Finding]:
    """What `contexts` do with calls for the ARI application `ari_app`."""
    entries = [
        (name, extension, steps)
        for name, context in contexts.items()
        for extension, steps in context.extensions.items()
        if _stasis_index(steps, ari_app) is not None
    ]
    if not entries:
        return [
            fail(
                "dialplan entry",
                f"no extension calls Stasis({ari_app})",
                "include dialplan/callctl.conf in extensions.conf and reload the dialplan",
            )
        ]
    names = ", ".join(sorted({name for name, _, _ in entries}))
    findings = [ok("dialplan entry", f"Stasis({ari_app}) in {names}")]
    for name, extension, steps in entries:
        findings += _check_entry(f"{name},{extension}", steps, ari_app)
    return [*findings, *_check_dropping(contexts, {name for name, _, _ in entries})]


def _check_entry(where: str, steps: list[tuple[str, str]], ari_app: str) -> list[Finding]:
    index = _stasis_index(steps, ari_app) or 0
    limited = any(_sets_limit(*step) for step in steps[:index])
    fallback = any("STASISSTATUS" in data for _, data in steps[index + 1 :])
    return [
        judge(
            f"first limit ({where})",
            "TIMEOUT(absolute) before Stasis" if limited else "no TIMEOUT(absolute) before Stasis",
            "put Set(TIMEOUT(absolute)=120) before Stasis: else a call outlives a dead callctl",
            good=limited,
        ),
        ok(f"fallback ({where})", "STASISSTATUS is looked at after Stasis")
        if fallback
        else warn(
            f"fallback ({where})",
            "nothing looks at STASISSTATUS after Stasis",
            "say to the caller what is wrong when callctl is away, as dialplan/callctl.conf does",
        ),
    ]


def _check_dropping(contexts: Mapping[str, Context], entered: set[str]) -> list[Finding]:
    """No T or e extension that goes on, where a call of ours can be when its limit ends."""
    findings = []
    reached = _with_includes(contexts, entered)
    for name, context in contexts.items():
        for extension in _DROPPING:
            steps = context.extensions.get(extension)
            if not steps or steps[0][0].lower() == "hangup":
                continue
            seen = f"extension {extension} in [{name}] goes on with {steps[0][0]}"
            remedy = f"remove it, or let it be only: exten => {extension},1,Hangup()"
            verdict = fail if name in reached else warn
            findings.append(verdict("limits hold", seen, remedy))
    return findings or [ok("limits hold", "no extension e or T goes on after a limit")]


def _with_includes(contexts: Mapping[str, Context], names: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in contexts:
            reached.add(name)
            waiting += contexts[name].includes
    return reached


def _stasis_index(steps: list[tuple[str, str]], ari_app: str) -> int | None:
    for index, (application, data) in enumerate(steps):
        if application.lower() == "stasis" and data.split(",")[0].strip() == ari_app:
            return index
    return None


def _sets_limit(application: str, data: str) -> bool:
    name, _, value = data.replace(" ", "").partition("=")
    return application.lower() == "set" and name.lower() == "timeout(absolute)" and value != "0"
