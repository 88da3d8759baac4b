import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.chorus import Chorus, Script, chorus
from tests.pool.world import make_settings, serving, until, write_catalog

QUESTION = [{"role": "user", "content": "¿Cuánto es la raíz de 1764?"}]
LEVELS = {
    "small": (1, 1.0, "general"),
    "middle": (2, 2.0, "technical"),
    "coder": (2, 2.0, "coding"),
    "big": (3, 6.0, "expert"),
}


class Ask:
    """A client of one pool whose models are one chorus."""

    def __init__(self, http: aiohttp.ClientSession, base: str, engine: Chorus, app: Any) -> None:
        self.http, self.base, self.engine, self.app = http, base, engine, app

    async def whole(self, strategy: str | None = None, **options: Any) -> tuple[int, dict[str, Any], Any]:
        body = {"model": "consensus", "messages": QUESTION, "consensus": _options(strategy, options)}
        async with self.http.post(f"{self.base}/v1/chat/completions", json=body) as response:
            return response.status, await response.json(), response.headers

    async def events(self, strategy: str | None = None, **options: Any) -> list[dict[str, Any]]:
        body = {
            "model": "consensus",
            "messages": QUESTION,
            "stream": True,
            "consensus": _options(strategy, options),
        }
        found: list[dict[str, Any]] = []
        async with self.http.post(f"{self.base}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: {"):
                    found.append(json.loads(line[6:]))
        return found


def _options(strategy: str | None, options: dict[str, Any]) -> dict[str, Any]:
    return options if strategy is None else {"strategy": strategy, **options}


def text(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


def streamed(events: list[dict[str, Any]]) -> str:
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events)


@pytest.fixture
def panel(tmp_path: Path) -> Callable[..., Any]:
    """`async with panel({"small": {"says": "42"}, …}) as ask`; `table` is the catalogue's consensus table."""

    @asynccontextmanager
    async def start(script: Script, **table: Any) -> AsyncIterator[Ask]:
        async with chorus(script) as (engine, url):
            models = {
                name: {
                    "backend": "openai",
                    "urls": [url],
                    "attempts": 1,
                    "level": level,
                    "cost": cost,
                    "domain": domain,
                }
                for name, (level, cost, domain) in LEVELS.items()
                if name in script
            }
            catalog = write_catalog(tmp_path / "models.toml", models)
            lines = ["[consensus]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
            catalog.write_text("\n".join(lines) + "\n" + catalog.read_text())
            async with (
                serving(make_settings(tmp_path / "home", catalog)) as (base, app),
                aiohttp.ClientSession() as http,
            ):
                yield Ask(http, base, engine, app)
                await until(lambda: engine.running == 0)
                lanes = app.routes.pool.scheduler.lanes.values()
                await until(lambda: not any(lane.in_flight for lane in lanes))

    return start


async def test_cascade_spares_the_expert_when_two_agree(panel: Any) -> None:
    script = {"small": {"says": "La respuesta es 42"}, "middle": {"says": "Son 42."}, "big": {"says": "42"}}
    async with panel(script) as ask:
        status, answer, headers = await ask.whole()
        assert (status, text(answer)) == (200, "Son 42.")
        assert answer["consensus"]["answered_by"] == "middle"
        assert answer["consensus"]["agreed"]
        assert ask.engine.calls("big") == []
        assert "strategy=cascade; by=middle; answered=small,middle" in headers["x-capibara6-consensus"]


async def test_cascade_asks_the_expert_when_they_differ(panel: Any) -> None:
    script = {"small": {"says": "41"}, "middle": {"says": "40"}, "big": {"says": "La respuesta es 42"}}
    async with panel(script) as ask:
        _, answer, _ = await ask.whole()
        assert text(answer) == "La respuesta es 42"
        assert [row["role"] for row in answer["consensus"]["members"]] == ["member", "member", "expert"]
        assert answer["consensus"]["dissent"] == []
        assert answer["usage"]["completion_tokens"] == 1 + 1 + 4


async def test_cascade_does_not_wait_for_the_slow_third_once_two_agree(panel: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"says": "42"},
        "coder": {"says": "7", "after_s": 30},
        "big": {"says": "0"},
    }
    async with panel(script) as ask:
        _, answer, _ = await ask.whole()
        rows = {row["model"]: row["status"] for row in answer["consensus"]["members"]}
        assert rows == {"small": "answered", "middle": "answered", "coder": "spared"}
        assert answer["consensus"]["degraded"] == []


async def test_vote_takes_the_plurality_and_warns_of_unequal_members(panel: Any) -> None:
    script = {"small": {"says": "B"}, "middle": {"says": "La opción B"}, "big": {"says": "Respuesta: C"}}
    async with panel(script) as ask:
        _, answer, _ = await ask.whole("vote")
        assert answer["consensus"]["answered_by"] == "middle"
        assert answer["consensus"]["dissent"] == ["big"]
        assert "unequal strength" in answer["consensus"]["warnings"][0]


async def test_best_of_takes_the_draft_that_the_judge_names(panel: Any) -> None:
    script = {
        "small": {"says": "primera"},
        "middle": {"says": "segunda"},
        "big": {"says": "La mejor es la 1"},
    }
    async with panel(script) as ask:
        _, answer, _ = await ask.whole("best_of")
        assert text(answer) == "primera"
        judged = ask.engine.calls("big")[0]
        assert "primera" in judged["messages"][-1]["content"]
        assert judged["temperature"] == 0


async def test_failed_judge_leaves_the_choice_to_agreement(panel: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"says": "42"},
        "coder": {"says": "7"},
        "big": {"status": 500},
    }
    async with panel(script) as ask:
        _, answer, _ = await ask.whole("best_of")
        assert text(answer) == "42"
        assert answer["consensus"]["degraded"] == ["big"]


async def test_synthesis_writes_from_the_drafts_with_the_template_of_the_work(panel: Any) -> None:
    script = {
        "small": {"says": "un borrador"},
        "middle": {"says": "otro"},
        "big": {"says": "lo mejor de ambos"},
    }
    async with panel(script) as ask:
        _, answer, _ = await ask.whole("synthesize", template="creative")
        assert text(answer) == "lo mejor de ambos"
        told = ask.engine.calls("big")[0]["messages"][-1]["content"]
        assert "un borrador" in told
        assert "original" in told


async def test_failing_and_hanging_members_are_named_and_the_rest_answers(panel: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"status": 500},
        "coder": {"says": "x", "after_s": 60},
        "big": {"says": "42"},
    }
    async with panel(script) as ask:
        status, answer, _ = await ask.whole("vote", deadline_s=0.8)
        assert status == 200
        assert text(answer) == "42"
        assert sorted(answer["consensus"]["degraded"]) == ["coder", "middle"]
        reasons = {row["model"]: row["reason"] for row in answer["consensus"]["members"]}
        assert "500" in reasons["middle"]
        assert "deadline" in reasons["coder"]


async def test_hanging_expert_is_replaced_by_a_draft_at_the_deadline(panel: Any) -> None:
    script = {"small": {"says": "41"}, "middle": {"says": "40"}, "big": {"says": "42", "after_s": 60}}
    async with panel(script) as ask:
        _, answer, _ = await ask.whole(deadline_s=0.6)
        assert text(answer) == "40"
        assert answer["consensus"]["degraded"] == ["big"]


async def test_expert_cut_at_the_deadline_mid_answer_ends_as_too_long(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "una palabra tras otra", "gap_s": 0.4},
    }
    async with panel(script) as ask:
        events = await ask.events(deadline_s=1.0)
        assert streamed(events).startswith("una ")
        assert events[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [True, False])
async def test_all_fail_is_a_502_with_each_reason(panel: Any, stream: bool) -> None:
    script = {"small": {"status": 500}, "middle": {"status": 500}, "big": {"status": 503}}
    async with panel(script) as ask:
        body = {"model": "consensus", "messages": QUESTION, "stream": stream}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            assert response.status == 502
            said = (await response.json())["error"]
        assert said["code"] == "consensus_failed"
        assert all(f"{name}: " in said["message"] for name in script)


async def test_stream_tells_members_first_and_then_tokens_as_they_are_produced(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "son cuarenta y dos", "gap_s": 0.05},
    }
    async with panel(script) as ask:
        events = await ask.events()
        told = [event["capibara6"]["event"] for event in events if "capibara6" in event]
        assert told == ["member", "member", "member", "consensus"]
        first_token = next(
            place for place, event in enumerate(events) if event["choices"][0]["delta"].get("content")
        )
        assert sum("capibara6" in event for event in events[:first_token]) == 2
        assert streamed(events) == "son cuarenta y dos"
        assert sum(bool(event["choices"][0]["delta"].get("content")) for event in events) == 4
        assert events[-1]["consensus"]["answered_by"] == "big"


async def test_tokens_reach_the_client_before_the_answer_is_whole(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "gap_s": 0.3},
    }
    async with panel(script) as ask:
        body = {"model": "consensus", "messages": QUESTION, "stream": True}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            async for line in response.content:
                if b'"uno ' in line:
                    assert ask.engine.running == 1
                    break


async def test_stream_that_breaks_after_the_first_token_ends_as_an_error(panel: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "uno dos tres", "breaks_after": 1},
    }
    async with panel(script) as ask:
        events = await ask.events()
        assert "error" in events[-1]
        assert not any(event.get("consensus") for event in events)


async def test_client_that_leaves_stops_every_model(panel: Any) -> None:
    slow = {"says": "a b c", "gap_s": 5}
    async with panel({"small": slow, "middle": slow, "big": slow}) as ask:
        asking = asyncio.ensure_future(ask.whole("vote"))
        await until(lambda: ask.engine.running == 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: ask.engine.running == 0)


async def test_budget_bounds_members_and_tokens(panel: Any) -> None:
    script = {name: {"says": "42"} for name in LEVELS}
    async with panel(script, max_members=2, max_tokens=300) as ask:
        _, answer, _ = await ask.whole("vote", max_members=8, max_tokens=5_000)
        assert len(ask.engine.asked) == 2
        assert sum(request["max_tokens"] for request in ask.engine.asked) <= 300
        assert len(answer["consensus"]["left_out"]) == 2


async def test_bad_options_and_tools_are_refused_before_anybody_is_asked(panel: Any) -> None:
    async with panel({"small": {"says": "42"}}) as ask:
        assert (await ask.whole("majority"))[0] == 400
        assert (await ask.whole(members=["nobody"]))[0] == 404
        body = {"model": "consensus", "messages": QUESTION, "tools": [{"type": "function"}]}
        async with ask.http.post(f"{ask.base}/v1/chat/completions", json=body) as response:
            assert response.status == 400
        assert ask.engine.asked == []


async def test_stats_route_and_models_show_consensus(panel: Any) -> None:
    script = {"small": {"says": "42"}, "middle": {"says": "42"}, "big": {"says": "42"}}
    async with panel(script) as ask:
        await ask.whole()
        async with ask.http.get(f"{ask.base}/stats") as response:
            used = (await response.json())["consensus"]
        assert (used["requests"], used["agreed"], used["closed"], used["wins"]) == (1, 1, 0, {"middle": 1})
        async with ask.http.post(f"{ask.base}/v1/route", json={"messages": QUESTION}) as response:
            shown = (await response.json())["consensus"]
        assert (shown["closer"], shown["strategy"]) == ("big", "cascade")
        async with ask.http.get(f"{ask.base}/v1/models") as response:
            assert "consensus" in [row["id"] for row in (await response.json())["data"]]
