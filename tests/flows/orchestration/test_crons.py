"""Crons by LangGraph's own client: the API, Prefect's server and the flow that runs at its hour are real."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from flows.workflows.scheduled_run import scheduled_run, start
from servers.api.main import build_app
from servers.api.runs import crons as kept
from servers.api.runs.crons import Crons, Plan, acting
from tests.agents.peers import Knobs, build_bridge, build_pool
from tests.serving import serving
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.clients.prefect import open_prefect
from tools.errors import Forbidden, NotFound
from tools.settings import Settings

ASKED: Any = {"messages": [{"role": "user", "content": "¿En qué puerto escucha el agente?"}]}
ANA = Principal("huerta", "ana", "operator", SCOPES["operator"], "c6")
PLAN = Plan(payload={"assistant_id": "capibara6", "input": ASKED}, schedule="0 9 * * *")


@pytest.fixture
def api(paused: Settings) -> Iterator[str]:
    knobs, ports = Knobs(), paused.ports
    with (
        serving(build_pool(knobs), ports.pool),
        serving(build_bridge(knobs), ports.bridge),
        serving(build_app(paused), ports.api),
    ):
        yield paused.api_url


@pytest.fixture
async def client(api: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=api) as opened:
        yield opened
        for cron in await opened.crons.search(limit=100):
            await opened.crons.delete(cron["cron_id"])


async def made(client: LangGraphClient, **choices) -> dict:
    return await client.crons.create("capibara6", schedule="0 9 * * 1", input=ASKED, **choices)  # type: ignore[return-value]


async def test_cron_is_made_found_changed_and_deleted(client: LangGraphClient, paused: Settings) -> None:
    end = datetime.now(UTC) + timedelta(days=400)
    cron = await made(client, timezone="Europe/Madrid", metadata={"of": "sdk"}, end_time=end)
    assert (cron["schedule"], cron["timezone"], cron["enabled"]) == ("0 9 * * 1", "Europe/Madrid", True)
    thread = (await client.threads.create())["thread_id"]
    other: Any = await client.crons.create_for_thread(
        thread, "capibara6-research", schedule="*/5 * * * *", input=ASKED, enabled=False
    )
    assert [found["cron_id"] for found in await client.crons.search()] == [other["cron_id"], cron["cron_id"]]
    assert [found["thread_id"] for found in await client.crons.search(thread_id=thread)] == [thread]
    assert [found["cron_id"] for found in await client.crons.search(enabled=True)] == [cron["cron_id"]]
    assert await client.crons.count(metadata={"of": "sdk"}) == 1
    assert await client.crons.count(assistant_id="capibara6-research") == 1
    planned = None
    for _ in range(200):
        if planned := (await client.crons.search(enabled=True))[0]["next_run_date"]:
            break
        await asyncio.sleep(0.3)
    assert datetime.fromisoformat(str(planned)).astimezone(UTC).weekday() == 0
    changed = await client.crons.update(cron["cron_id"], schedule="30 7 1 * *", enabled=False, end_time=None)
    assert (changed["schedule"], changed["enabled"], changed["end_time"]) == ("30 7 1 * *", False, None)
    assert (changed["metadata"], changed["timezone"]) == ({"of": "sdk"}, "Europe/Madrid")
    assert changed["payload"]["input"]["messages"][0]["content"] == ASKED["messages"][0]["content"]
    assert changed["cron_id"] == cron["cron_id"]
    await client.crons.delete(cron["cron_id"])
    with pytest.raises(APIStatusError) as gone:
        await client.crons.delete(cron["cron_id"])
    assert gone.value.status_code == 404


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"schedule": "each monday"}, "schedule"),
        ({"schedule": "61 9 * * *"}, "schedule"),
        ({"schedule": "* * * * * *"}, "schedule"),
        ({"timezone": "Europe/Sevilla"}, "timezone"),
        ({"end_time": "2020-01-01T00:00:00"}, "end_time"),
        ({"assistant_id": "nobody"}, "agent_id"),
        ({"webhook": "http://127.0.0.1:9/hook"}, None),
        ({"interrupt_before": ["no_such"]}, "interrupt_before"),
        ({"checkpoint_during": True}, "checkpoint_during"),
        ({"no_such": 1}, "no_such"),
        ({"input": None}, "input"),
    ],
)
async def test_what_is_no_cron_is_refused_by_name(client: LangGraphClient, choices, named) -> None:
    body = {"assistant_id": "capibara6", "schedule": "0 9 * * 1", "input": ASKED, **choices}
    with pytest.raises(APIStatusError) as refused:
        await client.http.post("/runs/crons", json=body)
    error = refused.value.response.json()["error"]
    assert 400 <= refused.value.status_code < 500 or error["code"] == "not_supported", error
    assert error["param"] == named, error
    assert await client.crons.count() == 0


async def test_run_is_made_as_the_cron_says_once_and_followed_to_its_end(
    client: LangGraphClient, paused: Settings, run
) -> None:
    thread = (await client.threads.create())["thread_id"]
    cron: Any = await client.crons.create_for_thread(thread, "capibara6", schedule="0 9 * * *", input=ASKED)
    async with open_prefect(paused) as prefect:
        parameters = (await prefect.call("GET", f"/deployments/{cron['cron_id']}"))["parameters"]
    state = await run(scheduled_run, **parameters)
    assert state.is_completed(), state.message
    found: list[Any] = await client.runs.list(thread)
    assert [one["status"] for one in found] == ["success"]
    assert found[0]["run_id"] in str(state.message)
    assert found[0]["metadata"]["flow_run_id"]
    again = (paused, parameters["run"], thread, "", found[0]["metadata"]["flow_run_id"])
    assert (await start.fn(*again))["run_id"] == found[0]["run_id"], "tried again it starts no second one"
    state_of: Any = await client.threads.get_state(thread)
    assert "5000" in state_of["values"]["messages"][-1]["content"]
    late = {**parameters, "end_time": datetime.now(UTC) - timedelta(seconds=1)}
    assert (await run(scheduled_run, **late)).is_completed()
    assert len(await client.runs.list(thread)) == 1, "after its end nothing is run"


async def test_run_that_is_refused_fails_the_flow(client: LangGraphClient, run) -> None:
    body = {"assistant_id": "capibara6", "input": ASKED}
    state = await run(scheduled_run, run=body, thread_id="gone")
    assert state.is_failed()


async def test_cron_is_its_owners_acts_within_its_key_and_is_bounded(
    paused: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_prefect(paused) as prefect:
        mine, others = (
            Crons(prefect, ANA),
            Crons(prefect, Principal("huerta", "berto", *(ANA.role, ANA.scopes), "c6")),
        )
        cron = await mine.create(PLAN)
        with pytest.raises(NotFound):
            await others.get(cron.cron_id)
        with pytest.raises(NotFound):
            await others.delete(cron.cron_id)
        assert await others.all() == []
        body = await prefect.call("GET", f"/deployments/{cron.cron_id}")
        assert body["job_variables"]["env"] == {"CAPIBARA6_ACT_AS": "huerta/ana/operator"}
        await Crons(prefect, LOCAL).update(cron.cron_id, PLAN.model_copy(update={"enabled": False}))
        body = await prefect.call("GET", f"/deployments/{cron.cron_id}")
        assert body["job_variables"]["env"] == {"CAPIBARA6_ACT_AS": "huerta/ana/operator"}, "still hers"
        monkeypatch.setattr(kept, "MOST", 1)
        with pytest.raises(Forbidden, match="1 crons"):
            await mine.create(PLAN)
        assert [one.cron_id for one in await mine.all()] == [cron.cron_id]
        await mine.delete(cron.cron_id)


def test_key_of_few_scopes_makes_a_cron_of_a_lesser_role() -> None:
    few = Principal("huerta", "ana", "admin", SCOPES["user"], "c6")
    assert acting(few).role == "user"
    with pytest.raises(Forbidden):
        acting(Principal("huerta", "ana", "admin", frozenset({"write"}), "c6"))
