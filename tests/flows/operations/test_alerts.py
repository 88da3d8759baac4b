"""Alerts: when a change is worth telling, and that every channel truly carries it."""

import hashlib
import hmac
import json
from itertools import pairwise

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from flows.alert_test import alert_test
from flows.health import health
from flows.operations.alerts import debounced_state, send_alert, transitions
from tests.flows.alert_receivers import mailbox, receiver
from tests.ports import free_ports
from tests.serving import serving
from tools.sections import Alerts
from tools.settings import Settings

HOUR = 3_600.0


def _seen(text: str, gap: float = 60.0) -> list[tuple[float, str]]:
    return [(n * gap, {"u": "ok", "d": "down", "g": "degraded"}[letter]) for n, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "state"),
    [("", "up"), ("ud", "up"), ("dd", "down"), ("dud", "up"), ("ddu", "down"), ("dduu", "up"), ("gg", "up")],
)
def test_it_takes_two_in_a_row_to_turn(text: str, state: str) -> None:
    assert debounced_state(_seen(text), threshold=2, within_s=HOUR) == state


def test_failures_far_apart_do_not_add_up() -> None:
    assert debounced_state(_seen("dd", gap=2 * HOUR), threshold=2, within_s=HOUR) == "up"
    assert debounced_state(_seen("ddd", gap=0.7 * HOUR), threshold=2, within_s=HOUR) == "down"


@given(st.text(alphabet="ud", max_size=40), st.integers(1, 4))
def test_alerts_alternate_and_never_repeat(text: str, threshold: int) -> None:
    history = [(when, {"pool": status}) for when, status in _seen(text)]
    news = [
        transitions(history[: n + 1], threshold=threshold, within_s=HOUR).get("pool")
        for n in range(len(history))
    ]
    told = [state for state in news if state]
    assert told[:1] in ([], ["down"])
    assert all(one != other for one, other in pairwise(told))
    assert len(told) <= len(text) // threshold


async def test_webhook_and_mail_carry_the_message() -> None:
    with receiver() as (url, got), mailbox() as (port, lines):
        alerts = Alerts.model_validate(
            {"webhook": url, "secret": "s", "smtp": f"smtp://127.0.0.1:{port}", "to": ("ops@example.org",)}
        )
        assert await send_alert(alerts, "El pool", "no responde", {"event": "health"}) == {
            "webhook": "ok",
            "mail": "ok",
        }
    [(body, given_signature)] = got
    assert json.loads(body) == {"subject": "El pool", "text": "no responde", "event": "health"}
    assert given_signature == f"sha256={hmac.new(b's', body, hashlib.sha256).hexdigest()}"
    assert "Subject: El pool" in lines
    assert "rcpt to:<ops@example.org>" in [line.lower() for line in lines]


async def test_a_channel_that_does_not_work_is_named() -> None:
    [port] = free_ports(1)
    alerts = Alerts.model_validate(
        {"webhook": f"http://127.0.0.1:{port}/", "smtp": f"smtp://127.0.0.1:{port}", "to": ("a@b.c",)}
    )
    sent = await send_alert(alerts, "s", "b", {})
    assert sent["webhook"] == "webhook is not reachable"
    assert sent["mail"].startswith("ConnectionRefusedError")


async def test_the_test_alert_proves_the_path_or_fails(run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await run(alert_test)).is_failed()
    with receiver() as (url, got):
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({"webhook": url}))
        assert (await run(alert_test, message="hola")).is_completed()
    assert json.loads(got[0][0])["text"] == "hola"
    assert (await run(alert_test)).is_failed()


async def test_a_service_that_goes_down_and_comes_back_is_told_once_each(
    no_retry_delay: None, run, prefect: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = FastAPI()
    ui.get("/health")(lambda: {"status": "ok"})

    async def look(times: int) -> None:
        for _ in range(times):
            await run(health, services=["ui"], question="")

    with receiver() as (url, got), mailbox() as (port, lines):
        mail = {"smtp": f"smtp://127.0.0.1:{port}", "to": ["ops@example.org"]}
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({"webhook": url, "threshold": 1, **mail}))
        await look(2)
        with serving(ui, prefect.ports.ui):
            await look(2)
    told = [json.loads(body) for body, _ in got]
    assert [(item["service"], item["state"]) for item in told] == [("ui", "down"), ("ui", "up")]
    assert [line for line in lines if line.startswith("Subject:")] == [
        "Subject: capibara6: ui ha dejado de funcionar",
        "Subject: capibara6: ui vuelve a funcionar",
    ]


async def test_an_alert_that_no_channel_took_is_sent_again_until_one_does(
    no_retry_delay: None, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port] = free_ports(1)
    hook = {"webhook": f"http://127.0.0.1:{port}/hook", "threshold": 1}
    with mailbox() as (smtp, lines):
        mail = {"smtp": f"smtp://127.0.0.1:{smtp}", "to": ["ops@example.org"]}
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({**hook, **mail}))
        await run(health, services=["mcp"], question="")
        with receiver(port) as (_, got):
            for _ in range(2):
                await run(health, services=["mcp"], question="")
    assert [json.loads(body)["service"] for body, _ in got] == ["mcp"]
    assert len([line for line in lines if line.startswith("Subject:")]) == 1, "the mail had arrived"
