"""Monitoring asks for series that the services really show, and every alert can fire."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from servers.deploy.dashboard import PANELS
from tests.deploy.conftest import HOSTS
from tests.deploy.shown import shown
from tools.settings import Settings

PROMETHEUS_OWN = {"up"}
WORD = re.compile(r"\b[a-z][a-z0-9_]*(?:_[a-z0-9]+)+\b|\bup\b")
FUNCTIONS = {"histogram_quantile"}
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")

FIRE = {
    "ServiceDown": ['up{job="api"} 0x60'],
    "ServerErrors": ['http_requests_total{job="api",status="500"} 0+10x60'],
    "SlowAnswers": [
        'http_request_duration_seconds_bucket{job="api",le="60.0"} 0x60',
        'http_request_duration_seconds_bucket{job="api",le="300.0"} 0+10x60',
        'http_request_duration_seconds_bucket{job="api",le="+Inf"} 0+10x60',
    ],
    "StoreUnreachable": ['store_breaker_open{store="milvus"} 1x60'],
    "StoreErrors": ['store_errors_total{store="milvus"} 0+60x60'],
    "QueueLong": ['pool_queued{model="phi4_fast"} 40x60'],
    "RestartLoop": ['process_start_time_seconds{job="api"} 0+1x60'],
    "DescriptorsShort": ['process_open_fds{job="api"} 90x60', 'process_max_fds{job="api"} 100x60'],
}
"""A series a minute by which each alert fires."""


def asked(queries: Iterable[str]) -> set[str]:
    """The names of series in queries: no label, no function."""
    bare = (re.sub(r"\{[^}]*\}|\b(?:by|without) \([^)]*\)", "", query) for query in queries)
    return {word for query in bare for word in WORD.findall(query)} - FUNCTIONS


def names(text: str) -> set[str]:
    families: Iterable[Metric] = text_string_to_metric_families(text)
    return {sample.name for family in families for sample in family.samples}


def rules(rendered: Path) -> list[dict[str, str]]:
    return yaml.safe_load((rendered / "monitoring/alerts.yml").read_text())["groups"][0]["rules"]


def test_dashboard_and_alerts_ask_for_series_that_services_show(rendered: Path, settings: Settings) -> None:
    real = set().union(*(names(text) for text in shown(settings))) | PROMETHEUS_OWN
    queries = [query for _, query, *_ in PANELS] + [rule["expr"] for rule in rules(rendered)]
    assert "pool_queued" in asked(queries) and "store_breaker_open" in asked(queries)
    assert asked(queries) - real == set()
    board = json.loads((rendered / "monitoring/grafana/capibara6.json").read_text())
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}) == len(PANELS)


def test_every_door_is_scraped_where_it_is(rendered: Path, three: Settings) -> None:
    jobs = yaml.safe_load((rendered / "monitoring/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in jobs}
    ports = three.ports
    services = {
        name: f"{HOSTS['services']}:{getattr(ports, name)}" for name in ("api", "speech", "mcp", "ui")
    }
    assert targets == {
        **services,
        "pool": f"{HOSTS['models']}:{ports.pool}",
        "bridge": f"{HOSTS['rag']}:{ports.bridge}",
    }


@needs_promtool
def test_promtool_reads_the_scrape_file_and_the_rules(rendered: Path) -> None:
    subprocess.run(
        ["promtool", "check", "config", "--syntax-only", rendered / "monitoring/prometheus.yml"], check=True
    )
    subprocess.run(["promtool", "check", "rules", rendered / "monitoring/alerts.yml"], check=True)


@needs_promtool
def test_every_alert_fires_once(rendered: Path, tmp_path: Path) -> None:
    """And by nothing but its own series."""
    assert set(FIRE) == {rule["alert"] for rule in rules(rendered)}
    for alert, series in FIRE.items():
        inputs = [dict(zip(("series", "values"), line.rsplit(" ", 1), strict=True)) for line in series]
        fired = {"eval_time": "50m", "alertname": alert, "exp_alerts": []}
        test = {
            "rule_files": [str(rendered / "monitoring/alerts.yml")],
            "tests": [{"interval": "1m", "input_series": inputs, "alert_rule_test": [fired]}],
        }
        file = tmp_path / f"{alert}.yaml"
        file.write_text(yaml.safe_dump(test))
        said = subprocess.run(
            ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
        )
        # Expected to be silent, it is not: the refusal names the alert that fired instead.
        assert said.returncode != 0, alert
        assert re.search(rf'got:\[\s*0:\s*Labels:\{{alertname="{alert}"', said.stdout + said.stderr), said
