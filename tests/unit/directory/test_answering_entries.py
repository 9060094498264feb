"""What numbers are answered with, in a file: each mistake is named with its line and remedy."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from callctl.directory.answering import Target, TargetKind
from callctl.directory.answering_fields import read_caller_prefix, read_target
from callctl.directory.columns import tenant_columns
from callctl.directory.document import Document, TenantEntry
from callctl.directory.plain import plain_document
from callctl.directory.reading import read_document
from callctl.errors import ConfigurationRefused, Problem

FOLDER = Path(__file__).parent
EVERYTHING = (FOLDER / "answering.yaml").read_text("utf-8")
MISTAKES = YAML(typ="safe").load((FOLDER / "answering_mistakes.yaml").read_text("utf-8"))


def problems_of(*pairs: tuple[str, str]) -> tuple[Problem, ...]:
    """The problems for which the file with everything is refused, after some replacements."""
    text = EVERYTHING
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ConfigurationRefused) as caught:
        read_document(text.encode())
    return caught.value.problems


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["field"])
def test_mistake_is_named_with_its_field_and_remedy(mistake: dict[str, str]) -> None:
    """The first problem is at the field that is wrong, and says what to write."""
    old, new = mistake["old"], mistake["new"]
    problem = problems_of((old, new))[0]

    assert problem.field == f"tenants[0].{mistake['field']}"
    assert mistake["words"].lower() in problem.message.lower()


def test_problem_of_a_key_is_at_its_line() -> None:
    """A key of a menu is named with the line in which it stands."""
    (problem,) = problems_of(('"3": menu:second', '"3": menu:third'))

    assert (
        "menu:third"
        in EVERYTHING.replace("menu:second", "menu:third").splitlines()[problem.line - 1]
    )


def test_message_circle_is_told_once() -> None:
    """Messages that follow each other for ever are one problem, which shows the circle."""
    pairs = (
        ("answers: true, then: voicemail:box", "then: message:bye"),
        ("prompt: callctl/bye}", "prompt: callctl/bye, then: message:closed}"),
    )
    (problem,) = problems_of(*pairs)

    assert problem.field == "tenants[0].messages[0].then"
    assert "closed > bye > closed never ends" in problem.message


def test_callback_needs_to_know_how() -> None:
    """A number from which a caller may ask for a callback says how callers are called back."""
    start = EVERYTHING.index("        callback: {trunk")
    line = EVERYTHING[start : EVERYTHING.index("\n", start) + 1]

    (problem,) = problems_of((line, ""))

    assert problem.field == "tenants[0].dids[0].callback"
    assert "group support key 2 leads to callback" in problem.message


def test_callback_tariff_must_price_every_caller() -> None:
    """Whoever asked is called back: the tariff of it needs a price for all numbers."""
    pairs = (
        (
            "tenants:\n",
            "  - {name: cn, rates: [{prefix: '86', price_per_minute: '1'}]}\ntenants:\n",
        ),
        ("other, tariff: standard", "other, tariff: cn"),
    )
    (problem,) = problems_of(*pairs)

    assert problem.field == "tenants[0].dids[0].callback.tariff"
    assert "rate without prefix" in problem.message


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("010", "+8610"),
        ("0106200", "+86106200"),
        ("139", "+86139"),
        ("400", "+86400"),
        ("8610", "+8610"),
        ("+8610", "+8610"),
        ("0044", "+44"),
        ("+44", "+44"),
        ("955", "955"),
        ("100", "100"),
    ],
)
def test_prefix_is_what_numbers_begin_with(text: str, prefix: str) -> None:
    """A prefix is written as people dial, and is compared with numbers in E.164."""
    assert read_caller_prefix(text) == prefix
    assert read_caller_prefix(prefix) == prefix


def test_target_is_a_kind_and_a_name() -> None:
    """Each kind of target is read and shown the same."""
    for kind in TargetKind:
        is_nameless = kind in {TargetKind.CALLBACK, TargetKind.REFUSE}
        target = Target(kind, "" if is_nameless else "a-1")
        assert read_target(str(target)) == target


def test_plain_form_is_read_back_as_the_same_tenant() -> None:
    """What the file with everything says of itself is the same file."""
    document = read_document(EVERYTHING.encode())

    again = Document.model_validate(plain_document(document))

    assert again.tenants == document.tenants


def test_short_forms_are_written_short() -> None:
    """A line of a group, a key and a greeting without settings are their text alone."""
    [tenant] = plain_document(read_document(EVERYTHING.encode()))["tenants"]

    assert tenant["groups"][1]["lines"] == ["mobile", "desk"]
    assert tenant["menus"][1]["keys"] == {"0": "line:desk", "#": "menu:main"}
    assert tenant["voicemails"][1] == {"name": "quiet"}
    assert "unknown" not in tenant["lists"][1]


NAMES = st.sampled_from(["a", "b-2", "office"])
TARGETS = st.sampled_from(["refuse", "callback", "group:a", "line:b-2", "voicemail:office"])
CLOCKS = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
SPANS = st.fixed_dictionaries({}, optional={"from": CLOCKS, "to": CLOCKS.filter("00:00".__ne__)})
HOURS = st.builds(
    lambda span, days: span | days,
    SPANS,
    st.fixed_dictionaries(
        {}, optional={"days": st.lists(st.sampled_from(["mon", "workday", "sun"]), unique=True)}
    ),
)
QUEUES = st.fixed_dictionaries(
    {},
    optional={
        "length": st.integers(1, 1000),
        "music": st.just("callctl/other"),
        "vip_first": st.booleans(),
        "overflow": TARGETS,
        "keys": st.dictionaries(st.sampled_from("0123456789*#"), TARGETS),
    },
)
MEMBERS = st.one_of(
    NAMES,
    st.fixed_dictionaries(
        {"line": NAMES},
        optional={"priority": st.integers(1, 100), "ring_seconds": st.integers(1, 300)},
    ),
)
TENANTS = st.fixed_dictionaries(
    {"name": NAMES, "account": st.just({})},
    optional={
        "schedules": st.lists(
            st.fixed_dictionaries(
                {"name": NAMES},
                optional={
                    "hours": st.lists(HOURS, max_size=3),
                    "special_days": st.lists(
                        st.fixed_dictionaries(
                            {"date": st.dates().map(str)},
                            optional={"hours": st.lists(SPANS, max_size=2)},
                        ),
                        max_size=3,
                    ),
                },
            ),
            max_size=2,
        ),
        "lists": st.lists(
            st.fixed_dictionaries(
                {"name": NAMES, "mode": st.just("block")},
                optional={
                    "numbers": st.lists(st.sampled_from(["13900000000", "+442071234567"])),
                    "prefixes": st.lists(st.sampled_from(["010", "+44", "955", "139"])),
                    "ranges": st.just(["01062000000-01062000099"]),
                    "areas": st.lists(st.sampled_from(["北京", "440300", "广东"])),
                    "unknown": st.booleans(),
                },
            ),
            max_size=2,
        ),
        "groups": st.lists(
            st.fixed_dictionaries(
                {"name": NAMES, "lines": st.lists(MEMBERS, min_size=1, max_size=3)},
                optional={"queue": QUEUES, "otherwise": TARGETS, "extension": st.just("80")},
            ),
            max_size=2,
        ),
        "voicemails": st.lists(
            st.fixed_dictionaries({"name": NAMES}, optional={"seconds": st.integers(5, 1800)}),
            max_size=2,
        ),
    },
)


@given(TENANTS)
def test_any_tenant_is_stored_and_shown_without_loss(plain: dict[str, Any]) -> None:
    """What the database holds, and what an export shows, are read back as the same tenant."""
    tenant = TenantEntry.model_validate(plain)
    stored = orjson.loads(orjson.dumps(tenant_columns(tenant)["answering"]))
    shown = tenant.model_dump(by_alias=True, exclude_none=True)

    head = {"name": plain["name"], "account": {}}
    assert TenantEntry.model_validate({**head, **stored}) == tenant
    assert TenantEntry.model_validate(json.loads(json.dumps(shown))) == tenant
