from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from servers.pool.feedback import Feedback
from tests.pool.consensus.client import answer_text, open_consensus, streamed_text


@pytest.fixture
def consensus(tmp_path: Path) -> Callable[..., Any]:
    """`async with consensus({"small": {"says": "42"}, …}) as client`."""
    return partial(open_consensus, tmp_path)


async def test_cascade_spares_the_expert_when_two_agree(consensus: Any) -> None:
    script = {"small": {"says": "La respuesta es 42"}, "middle": {"says": "Son 42."}, "big": {"says": "42"}}
    async with consensus(script) as client:
        status, answer, headers = await client.complete()
        assert (status, answer_text(answer)) == (200, "Son 42.")
        assert answer["consensus"]["answered_by"] == "middle"
        assert answer["consensus"]["agreed"]
        assert client.engine.requests_of("big") == []
        assert "strategy=cascade; by=middle; answered=small,middle" in headers["x-capibara6-consensus"]


async def test_cascade_asks_the_expert_when_they_differ(consensus: Any) -> None:
    script = {"small": {"says": "41"}, "middle": {"says": "40"}, "big": {"says": "La respuesta es 42"}}
    async with consensus(script) as client:
        _, answer, _ = await client.complete()
        assert answer_text(answer) == "La respuesta es 42"
        assert [row["role"] for row in answer["consensus"]["members"]] == ["member", "member", "expert"]
        assert answer["consensus"]["dissent"] == []
        assert answer["usage"]["completion_tokens"] == 1 + 1 + 4


async def test_cascade_does_not_wait_for_the_slow_third_once_two_agree(consensus: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"says": "42"},
        "coder": {"says": "7", "after_s": 30},
        "big": {"says": "0"},
    }
    async with consensus(script) as client:
        _, answer, _ = await client.complete()
        rows = {row["model"]: row["status"] for row in answer["consensus"]["members"]}
        assert rows == {"small": "answered", "middle": "answered", "coder": "spared"}
        assert answer["consensus"]["degraded"] == []


PAIR = {"members": ["small", "middle"], "reserve": "coder", "expert": "big"}


async def test_cascade_tells_the_router_whether_its_members_agreed(consensus: Any, tmp_path: Path) -> None:
    agree = {"small": {"says": "42"}, "middle": {"says": "42"}, "big": {"says": "42"}}
    async with consensus(agree) as client:
        await client.complete()
        await client.complete("vote")
    assert Feedback(tmp_path / "home" / "routing").house("default").to_json()["signals"] == {"agreed": 1}
    differ = {"small": {"says": "41"}, "middle": {"says": "40"}, "big": {"says": "42"}}
    async with consensus(differ) as client:
        await client.complete()
    assert Feedback(tmp_path / "home" / "routing").house("default").to_json()["signals"] == {"disagreed": 1}


async def test_cascade_asks_the_reserve_when_a_member_says_nothing(consensus: Any) -> None:
    script = {"small": {"says": ""}, "middle": {"says": "42"}, "coder": {"says": "42"}, "big": {"says": "0"}}
    async with consensus(script, **PAIR) as client:
        _, answer, _ = await client.complete()
        assert answer_text(answer) == "42"
        assert [row["model"] for row in answer["consensus"]["members"]] == ["small", "middle", "coder"]
        assert client.engine.requests_of("big") == []


async def test_cascade_leaves_the_reserve_alone_when_both_members_answer(consensus: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "42"},
        "coder": {"says": "42"},
        "big": {"says": "7"},
    }
    async with consensus(script, **PAIR) as client:
        _, answer, _ = await client.complete()
        assert answer_text(answer) == "7"
        assert client.engine.requests_of("coder") == []


async def test_cascade_does_not_ask_the_reserve_when_nobody_answered(consensus: Any) -> None:
    script = {"small": {"says": ""}, "middle": {"says": ""}, "coder": {"says": "42"}, "big": {"says": "7"}}
    async with consensus(script, **PAIR) as client:
        _, answer, _ = await client.complete()
        assert answer_text(answer) == "7"
        assert client.engine.requests_of("coder") == []


async def test_vote_takes_the_plurality_and_warns_of_unequal_members(consensus: Any) -> None:
    script = {"small": {"says": "B"}, "middle": {"says": "La opción B"}, "big": {"says": "Respuesta: C"}}
    async with consensus(script) as client:
        _, answer, _ = await client.complete("vote")
        assert answer["consensus"]["answered_by"] == "middle"
        assert answer["consensus"]["dissent"] == ["big"]
        assert "unequal strength" in answer["consensus"]["warnings"][0]


async def test_best_of_takes_the_draft_that_the_judge_names(consensus: Any) -> None:
    script = {
        "small": {"says": "primera"},
        "middle": {"says": "segunda"},
        "big": {"says": "La mejor es la 1"},
    }
    async with consensus(script) as client:
        _, answer, _ = await client.complete("best_of")
        assert answer_text(answer) == "primera"
        judged = client.engine.requests_of("big")[0]
        assert "primera" in judged["messages"][-1]["content"]
        assert judged["temperature"] == 0


async def test_failed_judge_leaves_the_choice_to_agreement(consensus: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"says": "42"},
        "coder": {"says": "7"},
        "big": {"status": 500},
    }
    async with consensus(script) as client:
        _, answer, _ = await client.complete("best_of")
        assert answer_text(answer) == "42"
        assert answer["consensus"]["degraded"] == ["big"]


async def test_synthesis_writes_from_the_drafts_with_the_template_of_the_work(consensus: Any) -> None:
    script = {
        "small": {"says": "un borrador"},
        "middle": {"says": "otro"},
        "big": {"says": "lo mejor de ambos"},
    }
    async with consensus(script) as client:
        _, answer, _ = await client.complete("synthesize", template="creative")
        assert answer_text(answer) == "lo mejor de ambos"
        prompt = client.engine.requests_of("big")[0]["messages"][-1]["content"]
        assert "un borrador" in prompt
        assert "original" in prompt


async def test_fault_21_failing_and_hanging_members_are_named_and_the_rest_answers(consensus: Any) -> None:
    script = {
        "small": {"says": "42"},
        "middle": {"status": 500},
        "coder": {"says": "x", "after_s": 60},
        "big": {"says": "42"},
    }
    async with consensus(script) as client:
        status, answer, _ = await client.complete("vote", deadline_s=3.0)
        assert status == 200
        assert answer_text(answer) == "42"
        assert sorted(answer["consensus"]["degraded"]) == ["coder", "middle"]
        reasons = {row["model"]: row["reason"] for row in answer["consensus"]["members"]}
        assert "500" in reasons["middle"]
        assert "deadline" in reasons["coder"]


async def test_hanging_expert_is_replaced_by_a_draft_at_the_deadline(consensus: Any) -> None:
    script = {"small": {"says": "41"}, "middle": {"says": "40"}, "big": {"says": "42", "after_s": 60}}
    async with consensus(script) as client:
        _, answer, _ = await client.complete(deadline_s=3.0)
        assert answer_text(answer) == "40"
        assert answer["consensus"]["degraded"] == ["big"]


async def test_expert_cut_at_the_deadline_mid_answer_ends_as_too_long(consensus: Any) -> None:
    script = {
        "small": {"says": "41"},
        "middle": {"says": "40"},
        "big": {"says": "una palabra tras otra", "gap_s": 2.0},
    }
    async with consensus(script) as client:
        events = await client.stream(deadline_s=3.0)
        assert streamed_text(events).startswith("una ")
        assert events[-1]["choices"][0]["finish_reason"] == "length"
