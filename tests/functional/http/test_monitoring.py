"""The files in monitoring/: the rules fire when they should, and every metric in them is one of the server's."""

import json
import re
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keyring import closed, keyrings, using
from paymentagg.domain.access import Role
from postgres import NORTH
from project import PROJECT

FOLDER = PROJECT / "monitoring"
_METRIC = re.compile(r"paymentagg_\w+")
_SUFFIX = re.compile(r"_(total|bucket|sum|count)\Z")


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool_has_no_complaint_about_the_rules(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments],  # noqa: S607  Debian's
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_is_tested_and_says_what_to_do() -> None:
    rules = (FOLDER / "alerts.yml").read_text()
    names = re.findall(r"- alert: (\w+)", rules)
    tests = (FOLDER / "alerts_test.yml").read_text()
    fired = re.findall(r"alertname: (\w+)\n\s+eval_time: \S+\n\s+exp_alerts:\n", tests)
    assert sorted(fired) == sorted(names)
    assert rules.count("action:") == len(names)


def test_every_metric_of_the_rules_and_of_the_dashboard_is_one_of_the_servers(metrics: set[str]) -> None:
    for name in ("alerts.yml", "alerts_test.yml", "dashboard.json"):
        used = {_SUFFIX.sub("", metric) for metric in _METRIC.findall(without_job((FOLDER / name).read_text()))}
        assert used <= metrics, name


def test_the_dashboard_shows_every_metric(metrics: set[str]) -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    shown = {
        _SUFFIX.sub("", each)
        for panel in panels
        for target in panel["targets"]
        for each in _METRIC.findall(target["expr"])
    }
    assert {metric for metric in metrics if metric.startswith("paymentagg_")} - shown == set()


def without_job(text: str) -> str:
    """Return the text without labels: a job and an alert may have the name of a metric."""
    return re.sub(r'job="\w+"', "", text)


@pytest.fixture
def metrics(practices_url: str) -> set[str]:
    """The names of all metrics, as a server of many practices has them."""
    with keyrings(practices_url) as keys:
        client = using(closed(practices_url, practices="many"), keys[NORTH].key(Role.SYNCER))
        text = client.get("/metrics").text
    return {_SUFFIX.sub("", family.name) for family in text_string_to_metric_families(text)}
