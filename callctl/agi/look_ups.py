"""What a dialplan can ask callctl, path by path; wired into the FastAGI server by app.web.

/screen, /area and /route answer from memory, so they answer while PostgreSQL is frozen, too;
/balance and /rate ask it. docs/dialplan.md lists the variables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from callctl import clock
from callctl.agi.server import LookUp, Question
from callctl.directory.models import Did, Directory
from callctl.flows.caller_rate import CallerRates
from callctl.rating import Meter, find_rate
from callctl.routing import (
    Ask,
    Decision,
    End,
    Facts,
    Journey,
    PromiseCallback,
    Ring,
    Say,
    Step,
    TakeMessage,
    Wait,
    screen,
)
from callctl.values.area import Area
from callctl.values.ids import new_id
from callctl.values.line_state import LineState, QueueState
from callctl.values.money import format_micros
from callctl.values.phone_number import PhoneNumber
from callctl.views import Account, Views

QUOTA_SECONDS_MAX = 14_400  # the longest that Asterisk is ever told to let a call go on
_UNKNOWN = {"STATUS": "UNKNOWN"}

Found = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LookUps:
    """Answers from the directory, the areas, the lines' states and the accounts.

    line_states   of the lines that a number may use, by line name
    queue_states  of its queues in which somebody waits, by group name
    """

    directory: Callable[[], Directory]
    area_of: Callable[[PhoneNumber], Area]
    views: Views
    line_states: Callable[[Did], Mapping[str, LineState]] = lambda _did: {}
    queue_states: Callable[[Did], Mapping[str, QueueState]] = lambda _did: {}
    caller_rates: CallerRates = field(default_factory=CallerRates)

    def paths(self) -> dict[str, LookUp]:
        """The look-ups by their paths."""
        return {
            "area": LookUp(("AREA_CODE", "AREA"), self.area),
            "screen": LookUp(("VERDICT", "REASON", "CAUSE", "VIP", "ANNOUNCEMENT"), self.screen),
            "route": LookUp(
                ("OUTCOME", "GROUP", "TARGET", "LINES", "RING_SECONDS", "REASON"), self.route
            ),
            "balance": LookUp(("BALANCE", "AVAILABLE", "CURRENCY", "STATE"), self.balance),
            "rate": LookUp(
                ("PRICE_PER_MINUTE", "CONNECT_FEE", "CURRENCY", "TARIFF", "QUOTA_SECONDS"),
                self.rate,
            ),
        }

    async def area(self, asked: Question) -> Found:
        """Where the caller's number is from."""
        area = self.area_of(asked.caller)
        if not area:
            return _UNKNOWN
        return {"STATUS": "OK", "AREA_CODE": area.adcode or "", "AREA": str(area)}

    async def screen(self, asked: Question) -> Found:
        """Whether the caller may call the number; each asking counts as a call of his."""
        did = self._did(asked)
        if did is None:
            return _UNKNOWN
        count = 1
        if asked.caller:
            now = clock.monotonic()
            count = self.caller_rates.count(did.number, asked.caller.text, now)
        verdict = screen(self._facts(did, asked, recent_calls=count))
        return {
            "STATUS": "OK" if verdict.is_allowed else "REFUSED",
            "VERDICT": "allow" if verdict.is_allowed else "refuse",
            "REASON": verdict.reason,
            "CAUSE": "" if verdict.is_allowed else str(int(verdict.cause)),
            "VIP": "1" if verdict.is_vip else "0",
            "ANNOUNCEMENT": verdict.announcement or "",
        }

    async def route(self, asked: Question) -> Found:
        """Where callctl would send the call now: its screening and its first step."""
        did = self._did(asked)
        if did is None:
            return _UNKNOWN
        facts = self._facts(did, asked)
        verdict = screen(facts)
        if not verdict.is_allowed:
            return {"STATUS": "REFUSED", "OUTCOME": "end", "REASON": verdict.reason}
        decision = Journey(is_vip=verdict.is_vip).begin(facts)
        return {"STATUS": "OK", **_outcome(decision)}

    async def balance(self, asked: Question) -> Found:
        """What the tenant's account has, and can spend."""
        account = await self._account(asked)
        if account is None:
            return _UNKNOWN
        return {
            "STATUS": "OK",
            "BALANCE": format_micros(account.balance_micros),
            "AVAILABLE": format_micros(account.available_micros),
            "CURRENCY": account.currency,
            "STATE": "open" if account.available_micros > 0 else "exhausted",
        }

    async def rate(self, asked: Question) -> Found:
        """What the caller's leg costs the tenant, and for how long his money is enough."""
        did = self._did(asked)
        if did is None:
            return _UNKNOWN
        area, now = self.area_of(asked.caller), clock.now()
        choice = find_rate(did.tariff, asked.caller.text.removeprefix("+"), area, now)
        if choice is None:
            return {"STATUS": "REFUSED", "TARIFF": did.tariff.name}
        account = await self.views.account(did.tenant.account_name)
        meter = Meter(choice.rate, now, did.tenant.timezone, did.tariff.calendar)
        seconds = meter.quota_seconds(max(account.available_micros, 0), QUOTA_SECONDS_MAX)
        return {
            "STATUS": "OK",
            "PRICE_PER_MINUTE": format_micros(choice.rate.price_per_minute_micros),
            "CONNECT_FEE": format_micros(choice.rate.connect_fee_micros),
            "CURRENCY": did.tariff.currency,
            "TARIFF": did.tariff.name,
            "QUOTA_SECONDS": str(seconds),
        }

    def _did(self, asked: Question) -> Did | None:
        return self.directory().dids.get(asked.did.national)

    def _facts(self, did: Did, asked: Question, *, recent_calls: int = 1) -> Facts:
        return Facts(
            did=did,
            caller=asked.caller,
            area=self.area_of(asked.caller),
            at=clock.now(),
            seed=new_id().int,
            lines=self.line_states(did),
            queues=self.queue_states(did),
            recent_calls=recent_calls,
        )

    async def _account(self, asked: Question) -> Account | None:
        """The account of the number's tenant, or of the tenant that was named."""
        dids = self.directory().dids.values()
        did = self._did(asked) or next((d for d in dids if d.tenant.name == asked.tenant), None)
        return await self.views.account(did.tenant.account_name) if did else None


def _outcome(decision: Decision) -> Found:
    step = decision.step
    why = decision.trace[-1].why if decision.trace else ""
    found = {"OUTCOME": _word(step), "REASON": step.reason if isinstance(step, End) else why}
    match step:
        case Ring():
            found["GROUP"] = step.group.name
            found["LINES"] = "&".join(attempt.endpoint for attempt in step.attempts)
            found["RING_SECONDS"] = str(max((a.ring_seconds for a in step.attempts), default=0))
        case Wait():
            found["GROUP"] = step.group.name
        case Ask():
            found["TARGET"] = step.menu.name
        case Say():
            found["TARGET"] = step.message.name
        case TakeMessage():
            found["TARGET"] = step.box.name
    return found


def _word(step: Step) -> str:
    words: dict[type[object], str] = {
        Ring: "ring",
        Wait: "queue",
        Ask: "menu",
        Say: "message",
        TakeMessage: "voicemail",
        PromiseCallback: "callback",
        End: "end",
    }
    return words[type(step)]
