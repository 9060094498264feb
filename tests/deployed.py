"""What deploy/ has for those who watch callctl: alerts, dashboard, and the metrics they select."""

import json
from typing import Any

import promql_parser
from ruamel.yaml import YAML

from tests.plugins.asterisk import ROOT


def alerts() -> list[dict[str, Any]]:
    """The rules of deploy/prometheus/alerts.yml."""
    groups = read_yaml("deploy/prometheus/alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of deploy/grafana/callctl.json that show something."""
    dashboard = json.loads((ROOT / "deploy/grafana/callctl.json").read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every PromQL expression of both."""
    found = [rule["expr"] for rule in alerts()]
    found += [target["expr"] for panel in panels() for target in panel["targets"]]
    return [one.replace("$__rate_interval", "1m") for one in found]


def metrics_of(expression: str) -> set[str]:
    """The metrics that it selects; raises ValueError when it is no PromQL."""
    found = set()

    def look(node: object) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), look)
    return found


def read_yaml(name: str) -> Any:
    """A file of the project."""
    return YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))
