"""prefect.yaml against the code: every flow file has its deployment, every deployment is whole."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.schedules import CronSchedule

from flows.orchestration.deploy import DEPLOYMENTS, build_request, load_flow, read_deployments

ENTRIES = read_deployments()
IDS = [entry["name"] for entry in ENTRIES]


def test_every_flow_file_is_one_deployment_of_its_name() -> None:
    flows = DEPLOYMENTS.parent / "flows"
    files = [*flows.glob("*.py"), *(flows / "workflows").glob("*.py")]
    written = [file.stem for file in files if "\n@flow" in file.read_text()]
    assert sorted(IDS) == sorted(written)


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_a_deployment_names_a_flow_that_takes_its_parameters(entry: dict) -> None:
    named = f"{entry['name']}:{entry['name']}"
    assert entry["entrypoint"] in (f"flows.{named}", f"flows.workflows.{named}")
    flow = load_flow(entry["entrypoint"])
    assert inspect.iscoroutinefunction(flow.fn), "a sync flow costs a second"
    assert flow.name == entry["name"]
    known = inspect.signature(flow.fn).parameters
    assert set(entry["parameters"]) <= set(known)
    given = [name for name, parameter in known.items() if parameter.default is parameter.empty]
    assert not (entry.get("schedules") and set(given) - set(entry["parameters"])), "a schedule gives nothing"
    assert entry["enforce_parameter_schema"] is True


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_a_deployment_tells_people_what_it_does_in_two_languages(entry: dict) -> None:
    spanish, mark, english = entry["description"].partition(" · ")
    assert len(spanish) > 30
    assert mark
    assert len(english) > 30
    assert entry["tags"]
    assert " · " in (load_flow(entry["entrypoint"]).fn.__doc__ or "")


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_schedules_are_crons_in_madrid_with_a_name(entry: dict) -> None:
    for item in entry.get("schedules", []):
        CronSchedule(cron=item["cron"], timezone=item["timezone"])  # raises for a cron that is none
        assert item["timezone"] == "Europe/Madrid"
        assert item["slug"]


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_a_deployment_is_bounded_and_in_the_local_pool(entry: Any) -> None:
    assert entry["concurrency_limit"]["limit"] >= 1
    assert entry["concurrency_limit"]["collision_strategy"] in ("ENQUEUE", "CANCEL_NEW")
    assert entry["work_pool"] == {"name": "local"}
    assert build_request(entry)["parameter_openapi_schema"]["type"] == "object"


def test_the_pool_is_written_once() -> None:
    text = Path(DEPLOYMENTS).read_text(encoding="utf-8")
    assert text.count("work_pool: *local") == len(ENTRIES)
    assert text.count("&local") == 1
