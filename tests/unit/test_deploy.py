"""What deploy/ has for operators: systemd's units, alerts, dashboard, scrape example."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from callctl.cli.processes import DRAINED_EXIT_CODE
from callctl.settings import Settings
from tests.deployed import alerts, expressions, metrics_of, panels, read_yaml
from tests.plugins.asterisk import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SWITCH = "callctl-switch@.service"
NEWER = {"RestartSteps", "RestartMaxDelaySec"}  # than some systemd that we run on
EXPOSURE_MAX = 20  # of 100, as systemd-analyze security counts


def _settings(unit: Path) -> dict[str, dict[str, list[str]]]:
    """The unit's settings by section and name, in order."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section: dict[str, list[str]] = defaultdict(list)
            sections[header[1]] = section
            continue
        name, equals, value = line.partition("=")
        assert equals, f"{unit.name}: {line}"
        section[name].append(value)
    return sections


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_restarted_for_ever_and_watched(unit: Path) -> None:
    """Told when ready, restarted whatever happens, fed, run as nobody of importance."""
    sections = _settings(unit)
    assert set(sections) == {"Unit", "Service", "Install"}
    service = sections["Service"]
    assert sections["Unit"]["StartLimitIntervalSec"] == ["0"]
    wanted = {
        "Type": "notify",
        "Restart": "always",
        "RestartSec": "1s",
        "RestartMaxDelaySec": "10s",  # of a switch that has crashed at times for a year, too
        "WatchdogSec": "30s",
        "User": "callctl",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
    }
    assert {name: service[name] for name in wanted} == {
        name: [value] for name, value in wanted.items()
    }
    assert "ProcSubset" not in service  # /proc/sys/kernel/random/boot_id is read by the lease
    [start] = service["ExecStart"]
    assert start.split()[1] in {"switch", "web"}


def test_a_drained_switch_is_not_started_again() -> None:
    """Systemd knows the exit code of `callctl drain`'s end."""
    service = _settings(ROOT / "deploy" / "systemd" / SWITCH)["Service"]
    assert service["RestartPreventExitStatus"] == [str(DRAINED_EXIT_CODE)]
    assert service["SuccessExitStatus"] == [str(DRAINED_EXIT_CODE)]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing but settings that are newer than it."""
    paths = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@.", "@a.")
        text = unit.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?m)^(ExecStart=)\S+", rf"\1{sys.executable}", text))
        paths.append(str(path))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    newer = "|".join(NEWER)
    lines = [line for line in told.stderr.splitlines() if str(tmp_path) in line]
    assert [line for line in lines if not re.search(rf"Unknown key.*({newer})", line)] == []
    assert told.returncode == 0, told.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_hardened(unit: Path) -> None:
    """`systemd-analyze security` counts little that a taken-over process could do."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    told = subprocess.run(
        [*command, f"--threshold={EXPOSURE_MAX}", str(unit)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "unrecognized option" in told.stderr:
        pytest.skip("this systemd-analyze can't look at a file")
    assert told.returncode == 0, told.stdout


def test_expressions_are_promql() -> None:
    """Alerts and panels parse, and select metrics of ours, of the process, or `up`."""
    assert len(expressions()) > 40
    for expression in expressions():
        named = metrics_of(expression)
        assert named, expression
        assert all(re.match(r"callctl_|process_|up$", name) for name in named), expression


def test_alerts_say_what_and_how_urgent() -> None:
    """Each alert has a name of its own, a severity and a summary."""
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert re.fullmatch(r"Callctl[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def test_panels_do_not_overlap() -> None:
    """Each panel has an id, a title and a place of its own on the dashboard's 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels()) > 15


def test_scrape_example_names_the_port() -> None:
    """The first target is where a switch answers by default; the rules' file is there."""
    example = read_yaml("deploy/prometheus/prometheus.yml")
    [job] = example["scrape_configs"]
    [static] = job["static_configs"]
    defaults = Settings.model_fields
    host, port = defaults["metrics_host"].default, defaults["metrics_port"].default
    assert job["job_name"] == "callctl"
    assert static["targets"][0] == f"{host}:{port}"
    assert "asterisk" in static["labels"]
    assert [(ROOT / "deploy/prometheus" / name).exists() for name in example["rule_files"]] == [
        True
    ]
