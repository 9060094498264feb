"""Doctor's look at Asterisk, over AMI and, for the ARI login, over HTTP."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import aiohttp

from callctl.ami import AmiSession
from callctl.cli.check_dialplan import check_dialplan, read_dialplan
from callctl.cli.findings import Finding, fail, judge, ok, warn
from callctl.errors import AmiError
from callctl.settings import Settings

VERSION_MIN = (22, 10, 1)
_ARI_SECONDS_MAX = 3.0
_MODULES = (
    *("app_exec", "app_playback", "app_stack", "app_stasis"),
    *("bridge_simple", "bridge_softmix", "chan_bridge_media", "chan_pjsip", "codec_alaw"),
    *("format_wav", "func_channel", "func_dialplan", "func_strings", "func_timeout", "func_uuid"),
    *("pbx_config", "res_pjsip_diversion"),
    *("res_ari", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges", "res_ari_channels"),
    *("res_ari_events", "res_ari_playbacks", "res_http_websocket", "res_pjsip"),
    *("res_pjsip_caller_id", "res_pjsip_rfc3326", "res_pjsip_sdp_rtp", "res_pjsip_session"),
    *("res_rtp_asterisk", "res_stasis", "res_stasis_answer", "res_stasis_playback"),
    *("res_stasis_snoop", "res_timing_timerfd"),
)
# file, setting, least value, what happens below it
_LEAST = (
    ("http.conf", "sessionlimit", 500, "ARI itself is refused when so many connections are open"),
    ("http.conf", "session_keep_alive", 15_000, "each command then opens a connection of its own"),
    ("ari.conf", "websocket_write_timeout", 1_000, "one pause of callctl cuts its events off"),
)
_OVERLOAD = "taskprocessor_overload_trigger"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


async def check_asterisk(ami: AmiSession, settings: Settings, trunks: list[str]) -> list[Finding]:
    """Everything that AMI can tell; `trunks` are those that the directory's lines name."""
    core = await ami.action("CoreSettings")
    findings = [judge_version(core.fields.get("asteriskversion", ""))]
    findings.append(judge_modules(await ami.command("module show")))
    findings.append(judge_http_binding(await ami.command("http show status")))
    findings.append(judge_ami_binding(await ami.command("manager show settings")))
    for file, setting, least, else_what in _LEAST:
        findings.append(await _check_least(ami, file, setting, least, else_what))
    findings.append(await _check_overload(ami))
    plan = await ami.action("ShowDialPlan")
    findings += check_dialplan(read_dialplan(plan.events), settings.ari_app)
    findings += await _check_trunks(ami, trunks)
    return findings


async def check_ari(settings: Settings) -> list[Finding]:
    """Whether ARI takes our user, and whether a switch is connected to it."""
    login = {"Authorization": aiohttp.encode_basic_auth(settings.ari_user, settings.ari_password)}
    timeout = aiohttp.ClientTimeout(total=_ARI_SECONDS_MAX)
    url = f"{settings.ari_url}/ari"
    try:
        async with aiohttp.ClientSession(headers=login, timeout=timeout) as http:
            async with http.get(f"{url}/asterisk/ping") as answer:
                ping = answer.status
            async with http.get(f"{url}/applications/{settings.ari_app}") as answer:
                application = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        remedy = "start Asterisk (callctl run), or set CALLCTL_ARI_URL to its HTTP server"
        return [fail("ARI", f"no answer at {settings.ari_url} ({error or 'too late'})", remedy)]
    if ping != 200:
        remedy = "make CALLCTL_ARI_USER and CALLCTL_ARI_PASSWORD the same as in ari.conf"
        return [fail("ARI", f"answered {ping} to user {settings.ari_user!r}", remedy)]
    return [
        ok("ARI", f"user {settings.ari_user!r} is let in at {settings.ari_url}"),
        ok("switch", f"connected as application {settings.ari_app!r}")
        if application == 200
        else warn(
            "switch",
            f"no application {settings.ari_app!r}: new calls hear the fallback",
            "start callctl switch, and see its log if it runs",
        ),
    ]


def judge_version(text: str) -> Finding:
    """Versions before 22.10.1 lack fixes that callctl relies on."""
    match = _VERSION.search(text)
    version = tuple(map(int, match.groups())) if match else ()
    wanted = ".".join(map(str, VERSION_MIN))
    remedy = f"install Asterisk {wanted} or later: deploy/asterisk/Containerfile has one"
    return judge("Asterisk version", text or "none told", remedy, good=version >= VERSION_MIN)


def judge_modules(listing: str) -> Finding:
    """`listing` is what `module show` prints."""
    running = {
        line.split(".so", 1)[0]
        for line in listing.splitlines()
        if ".so" in line and " Running " in line and " Not Running " not in line
    }
    missing = [module for module in _MODULES if module not in running]
    seen = f"not running: {', '.join(missing)}" if missing else f"all {len(_MODULES)} run"
    remedy = "load them in modules.conf (asterisk-conf/modules.conf shows all) and restart"
    return judge("modules", seen, remedy, good=not missing)


def judge_http_binding(listing: str) -> Finding:
    """`listing` is what `http show status` prints."""
    bound = re.search(r"Server Enabled and Bound to (\S+)", listing)
    if not bound:
        remedy = "enabled = yes in http.conf, and reload"
        return fail("ARI address", "Asterisk's HTTP server is off", remedy)
    remedy = "bindaddr = 127.0.0.1 in http.conf: whoever reaches ARI can place calls"
    return judge("ARI address", bound[1], remedy, good=is_loopback(bound[1]))


def judge_ami_binding(listing: str) -> Finding:
    """`listing` is what `manager show settings` prints."""
    bound = re.search(r"TCP Bindaddress:\s+(\S+)", listing)
    address = bound[1] if bound else "unknown"
    remedy = "bindaddr = 127.0.0.1 in manager.conf: AMI can run commands"
    return judge("AMI address", address, remedy, good=is_loopback(address))


def judge_trunk(name: str, endpoints: Iterable[Mapping[str, str]]) -> Finding:
    """`endpoints` are the events of PJSIPShowEndpoints."""
    names = [event["objectname"] for event in endpoints if "objectname" in event]
    remedy = f"define endpoint {name} in pjsip.conf, or name another trunk in the lines"
    seen = "endpoint exists" if name in names else f"no endpoint among {', '.join(names) or '-'}"
    return judge(f"trunk {name}", seen, remedy, good=name in names)


def is_loopback(address: str) -> bool:
    """Whether "127.0.0.1:8088", "[::1]:8088" or a bare host is this machine only."""
    host = address.rpartition(":")[0] if address.count(":") == 1 or "]" in address else address
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def _check_least(
    ami: AmiSession, file: str, setting: str, least: int, else_what: str
) -> Finding:
    try:
        value = await _setting(ami, file, setting)
    except AmiError as error:
        return warn(setting, f"{file} can't be read: {error}", "give the AMI user write=config")
    remedy = f"{setting} = {least} or more in {file}: {else_what}"
    if value is None or not value.isdecimal():
        return warn(setting, "not set, Asterisk's default is too low", remedy)
    return judge(setting, value, remedy, good=int(value) >= least)


async def _check_overload(ami: AmiSession) -> Finding:
    """What PJSIP does with callers while other parts of Asterisk have much to do."""
    try:
        value = await _setting(ami, "pjsip.conf", _OVERLOAD, section="global")
    except AmiError as error:
        return warn(
            _OVERLOAD, f"pjsip.conf can't be read: {error}", "give the AMI user write=config"
        )
    return judge_overload(value)


def judge_overload(value: str | None) -> Finding:
    """Judge what makes PJSIP leave requests unanswered; None: it is not set."""
    remedy = f"{_OVERLOAD} = pjsip_only in [global] of pjsip.conf: else some get no answer at all"
    if value not in {"pjsip_only", "none"}:
        return warn(_OVERLOAD, value or "not set, Asterisk's default is global", remedy)
    return ok(_OVERLOAD, value)


async def _setting(
    ami: AmiSession, file: str, setting: str, *, section: str = "general"
) -> str | None:
    """Return the value in a section, includes and all; None when it is not set."""
    reply = await ami.action("GetConfig", Filename=file, Category=section)
    found = None
    for key, line in reply.fields.items():
        name, _, value = line.partition("=")
        if key.startswith("line-") and name.strip() == setting:
            found = value.strip()
    return found


async def _check_trunks(ami: AmiSession, trunks: list[str]) -> list[Finding]:
    if not trunks:
        return [warn("trunks", "no line is provisioned", "callctl apply FILE.yaml")]
    endpoints = (await ami.action("PJSIPShowEndpoints")).events
    findings = []
    for trunk in trunks:
        findings.append(judge_trunk(trunk, endpoints))
        if findings[-1].status == "ok":
            findings += await _check_endpoint(ami, trunk)
    return findings


async def _check_endpoint(ami: AmiSession, trunk: str) -> list[Finding]:
    """What a trunk must not do."""
    detail = await ami.action("PJSIPShowEndpoint", Endpoint=trunk)
    return [
        judge(
            f"trunk {trunk} {what}",
            f"{setting} {(found := _shown(detail.events, setting))}",
            f"{setting} = no for endpoint {trunk}: {else_what}",
            good=found in _NO,
        )
        for what, setting, else_what in _FORBIDDEN
    ]


def _shown(events: Iterable[Mapping[str, str]], setting: str) -> str:
    """The endpoint's setting as AMI shows it: its name without underscores."""
    key = setting.replace("_", "")
    return next((event[key] for event in events if key in event), "unknown").lower()


_NO = ("no", "false", "0")
# what a trunk must not do: in words, its setting, what else happens
_FORBIDDEN = (
    ("REFER", "allow_transfer", "a REFER takes a call out of its charge"),
    ("Diversion", "send_diversion", "what a caller's Diversion header says is passed on to lines"),
)
