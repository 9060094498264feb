"""Doctor's look at the dialplan: does a call get its first limit, and can nothing take it off.

When a limit ends Asterisk looks for an extension T, then e, in the call's context; if it finds
one, a pattern included, it goes on there and forgets the limit. The hooks of a site and its
look-ups are judged by the rules of docs/dialplan.md, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from callctl.cli.extension_pattern import matches
from callctl.cli.findings import Finding, fail, judge, ok, warn

Step = tuple[str, str]  # application, data

BEFORE, AFTER = "callctl-before", "callctl-after"
LOOK_UPS = ("area", "balance", "rate", "route", "screen")
_DROPPING = ("T", "e")
_ASTERISKS_OWN = ("res_stasis",)  # makes a context stasis-<app> that no call enters by itself
_JUMPS = ("goto", "gotoif", "gotoiftime", "gosub", "gosubif", "execif", "execiftime", "set")
_LIMIT = "timeout(absolute)"
_SECONDS_MAX = 14_400
_LOOK_UP = re.compile(rf"agi://[^/,]+/(?:{'|'.join(LOOK_UPS)})\b(?P<query>[^,]*)")


@dataclass
class Context:
    """A context of the dialplan: extension -> its steps in order of priority."""

    extensions: dict[str, list[Step]] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> Iterator[Step]:
        """The steps of all its extensions."""
        for steps in self.extensions.values():
            yield from steps


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
        findings += _check_text(name, extension, steps, ari_app)
    entered = {name for name, _, _ in entries}
    reached = _reached(contexts, entered)
    return [
        *findings,
        *_check_dropping(contexts, reached, reached - entered),
        *_check_hooks(contexts),
        *_check_look_ups(contexts),
    ]


def _check_entry(where: str, steps: list[Step], ari_app: str) -> list[Finding]:
    index = _stasis_index(steps, ari_app) or 0
    limits = [value for step in steps[:index] if (value := _limit_set(step)) is not None]
    fallback = any("STASISSTATUS" in data for _, data in steps[index + 1 :])
    return [
        judge(
            f"first limit ({where})",
            "TIMEOUT(absolute) before Stasis" if limits else "no TIMEOUT(absolute) before Stasis",
            "put Set(TIMEOUT(absolute)=120) before Stasis: else a call outlives a dead callctl",
            good=bool(limits) and _is_limit(limits[-1]),
        ),
        ok(f"fallback ({where})", "STASISSTATUS is looked at after Stasis")
        if fallback
        else warn(
            f"fallback ({where})",
            "nothing looks at STASISSTATUS after Stasis",
            "say to the caller what is wrong when callctl is away, as dialplan/callctl.conf does",
        ),
    ]


def _check_text(name: str, extension: str, steps: list[Step], ari_app: str) -> Iterator[Finding]:
    """What was dialled and the Call-ID are looked at before Stasis(): ARI can't tell every byte."""
    before = [data for _, data in steps[: _stasis_index(steps, ari_app)]]
    is_open = extension.startswith("_") and extension.endswith((".", "!"))
    unseen = []
    filtered = [data for data in before if "FILTER(" in data]
    is_compared = any("LEN(${EXTEN" in data for data in before)
    if is_open and not (is_compared and any("${EXTEN" in data for data in filtered)):
        unseen.append("what was dialled")
    if not any("call-id" in data for data in filtered):
        unseen.append("the Call-ID")
    remedy = (
        "compare LEN() before and after FILTER(), as from-carrier of dialplan/callctl.conf does"
    )
    seen = f"not checked before Stasis: {', '.join(unseen)}"
    if unseen:
        yield warn(f"dialled text ({name},{extension})", seen, remedy)
    else:
        yield ok(f"dialled text ({name},{extension})", "checked before Stasis")


def _check_dropping(
    contexts: Mapping[str, Context], reached: set[str], jumped_to: set[str]
) -> list[Finding]:
    """Nothing that takes a limit off, where a call of ours can be; elsewhere a word of warning."""
    findings = []
    for name, context in contexts.items():
        verdict = fail if name in reached else warn
        for extension, steps in context.extensions.items():
            found = [letter for letter in _DROPPING if matches(extension, letter)]
            if found and not _only_hangs_up(steps):
                seen = f"extension {extension} in [{name}] goes on with {steps[0][0]}"
                findings.append(verdict("limits hold", seen, _remedy(extension, found[0])))
        if name in jumped_to:
            findings += [
                fail(
                    "limits hold",
                    f"Set(TIMEOUT(absolute)={value}) in [{name}] takes the limit off",
                    f"write seconds from 1 to {_SECONDS_MAX}: any other value means no limit",
                )
                for step in context.steps
                if (value := _limit_set(step)) is not None and not _is_limit(value)
            ]
    return findings or [ok("limits hold", "no extension e or T goes on after a limit")]


def _remedy(extension: str, letter: str) -> str:
    if extension.startswith("_"):
        return f"it matches the extension {letter}, too: write a pattern of digits, such as _X."
    return f"remove it, or let it be only: exten => {extension},1,Hangup()"


def _check_hooks(contexts: Mapping[str, Context]) -> Iterator[Finding]:
    """A site's own contexts before and after callctl, where they are."""
    for name in (BEFORE, AFTER):
        if name not in contexts:
            continue
        if "s" not in contexts[name].extensions:
            remedy = f"begin it with exten => s,1,... or delete [{name}]"
            yield warn(f"hook {name}", "it has no extension s, so it is never asked", remedy)
            continue
        applications = {
            application.lower()
            for reached in _reached(contexts, {name})
            for application, _ in contexts[reached].steps
        }
        yield judge(
            f"hook {name}",
            "it returns" if "return" in applications else "nothing in it returns",
            "end it with Return(): else each call ends there",
            good="return" in applications,
        )


def _check_look_ups(contexts: Mapping[str, Context]) -> Iterator[Finding]:
    """AGI() calls to our server: replies stay in step, and dialled text is filtered."""
    for name, context in contexts.items():
        for extension, steps in context.extensions.items():
            for index, (application, data) in enumerate(steps):
                asked = _LOOK_UP.search(data) if application.lower() == "agi" else None
                if asked is None:
                    continue
                where = f"look-up ({name},{extension})"
                if not any(_sets_agisighup(step) for step in steps[:index]):
                    seen = "no Set(AGISIGHUP=no) before AGI()"
                    remedy = "put it there: a hang-up in mid-answer else puts replies out of step"
                    yield warn(where, seen, remedy)
                if "${EXTEN}" in asked["query"]:
                    remedy = "write did=${FILTER(0-9,${EXTEN})}"
                    yield warn(where, "did=${EXTEN} passes on whatever a caller dials", remedy)


def _reached(contexts: Mapping[str, Context], names: set[str]) -> set[str]:
    """These contexts, those that they include, and those that their steps jump to by name."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in reached or name not in contexts:
            continue
        reached.add(name)
        waiting += contexts[name].includes
        jumps = [data for application, data in contexts[name].steps if _jumps(application)]
        waiting += [other for other in contexts if any(_names(data, other) for data in jumps)]
    return reached


def _jumps(application: str) -> bool:
    return application.lower() in _JUMPS


def _names(data: str, context: str) -> bool:
    """Whether a step's data has the label `context,extension,priority`."""
    return re.search(rf"(?<![\w-]){re.escape(context)},", data) is not None


def _stasis_index(steps: list[Step], ari_app: str) -> int | None:
    for index, (application, data) in enumerate(steps):
        if application.lower() == "stasis" and data.split(",")[0].strip() == ari_app:
            return index
    return None


def _only_hangs_up(steps: list[Step]) -> bool:
    return not steps or steps[0][0].lower() == "hangup"


def _limit_set(step: Step) -> str | None:
    """The value that a step sets as the limit; None when it sets none."""
    application, data = step
    name, _, value = data.replace(" ", "").partition("=")
    is_limit = application.lower() == "set" and name.lower() == _LIMIT
    return value if is_limit else None


def _is_limit(value: str) -> bool:
    """Whether Asterisk takes it for a limit; of a variable's value that is supposed."""
    if "${" in value:
        return True
    return value.isascii() and value.isdigit() and 1 <= int(value) <= _SECONDS_MAX


def _sets_agisighup(step: Step) -> bool:
    application, data = step
    return application.lower() == "set" and data.replace(" ", "").lower() == "agisighup=no"
