"""callctl apply of numbers' answering that speaks of what is outside the file: audio, others."""

import pytest

from callctl.db.pool import Database
from callctl.directory.answering import Greeting
from tests.db.provisioning import (
    ANSWERING,
    apply_text,
    contents,
    exported,
    loaded,
    refused,
    with_changes,
)


async def test_own_audio_must_have_been_uploaded(database: Database) -> None:
    """A prompt without a slash is the tenant's, is refused until it is there, and has its path."""
    pairs = (
        ("greeting: {prompt: callctl/greeting-demo", "greeting: {prompt: hello"),
        ("music: callctl/hold-other", "music: hello"),
        ("announcement: callctl/refused", "announcement: nope"),
    )
    text = with_changes(*pairs)
    problems = await refused(database, text)
    assert [(problem.line, problem.field) for problem in problems] == [
        (33, "tenants[0].lists[0].announcement"),
        (62, "tenants[0].groups[0].queue.music"),
        (97, "tenants[0].dids[0].greeting"),
    ]
    assert "callctl audio add acme hello FILE" in problems[1].message

    for tenant, name in (("acme", "hello"), ("other", "nope")):
        await database.execute(
            "INSERT INTO audio_files (tenant, name, wav, seconds, loudness_db, sha256, "
            "original_name) VALUES ($1, $2, $3, 1, -20, $4, 'x.wav')",
            *(tenant, name, b"x" * 44, "0" * 64),
        )
    [problem] = await refused(database, text)
    assert "acme has no audio 'nope' (there is hello)" in problem.message
    await apply_text(database, with_changes(*pairs[:2]))

    did = (await loaded(database)).dids["4001234567"]
    assert did.greeting == Greeting("tenants/acme/hello", is_barge_in=True)
    queue = did.answering.groups["support"].queue
    assert queue is not None
    assert queue.music == "tenants/acme/hello"


OTHER = """\
tenants:
  - name: other
    account: {}
    lines:
      - {name: desk, number: "01062000009"}
    dids:
      - {number: "4008888888", tariff: standard, lines: [desk]}
"""


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ('"01062000009"', '"4001234567"', "lines[0].number", "DID 4001234567 of acme"),
        ('"4008888888"', '"01062000001"', "dids[0].number", "line beijing of acme"),
        ("account: {}", "account: {}\n    calendar: cn", "calendar", "'cn' (there is cn-2026)"),
        (
            "lines: [desk]}",
            "lines: [desk], callback: {tariff: nope}}",
            "dids[0].callback.tariff",
            "no tariff 'nope'",
        ),
    ],
)
async def test_what_contradicts_other_tenants_is_refused(
    database: Database, old: str, new: str, field: str, words: str
) -> None:
    """Numbers that would go round between tenants, and names of nothing, are refused."""
    await apply_text(database, ANSWERING)
    assert OTHER.count(old) == 1

    [problem] = await refused(database, OTHER.replace(old, new))

    assert problem.field == f"tenants[0].{field}"
    assert words in problem.message


async def test_tariff_of_callbacks_keeps_a_price_for_everybody(database: Database) -> None:
    """A new version without a price for whoever is called back is refused."""
    await apply_text(database, ANSWERING)
    await apply_text(database, "tariffs: [{name: back, rates: [{price_per_minute: '1'}]}]")
    await apply_text(database, with_changes(("trunk: other, tariff: standard", "tariff: back")))

    callback = (await loaded(database)).dids["4001234567"].callback
    assert callback is not None
    assert callback.tariff is not None
    assert callback.tariff.name == "back"
    assert "name: back" in await exported(database, "acme")
    text = "tariffs: [{name: back, rates: [{prefix: '86', price_per_minute: '1'}]}]"
    [problem] = await refused(database, text)

    assert "DID 4001234567 of acme" in problem.message


async def test_manual_switch_is_loaded_and_stays(database: Database) -> None:
    """An apply leaves the switch as it stands; it goes with its number."""
    await apply_text(database, ANSWERING)
    await database.execute(
        "INSERT INTO did_switches VALUES ('4001234567', 'closed', now(), 'somebody')"
    )

    await apply_text(database, with_changes(("percentage: 50", "percentage: 51")))
    dids = (await loaded(database)).dids
    assert (dids["4001234567"].switch, dids["4007654321"].switch) == ("closed", "schedule")

    head, _, tail = ANSWERING.partition('      - number: "4001234567"')
    rest = tail[tail.index('      - {number: "4007654321"') :]
    await apply_text(database, head + rest)
    assert (await contents(database))["dids"]
    assert await database.fetch("TABLE did_switches") == []
