"""Alerts: when a change is worth telling, and that every channel truly carries it."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from flows.alert_test import alert_test
from flows.alerts import send_alert, settled, turned
from flows.health import health
from tests.ports import free_ports
from tests.serving import serving
from tools.sections import Alerts

HOUR = 3_600.0


def _seen(text: str, gap: float = 60.0) -> list[tuple[float, str]]:
    return [(n * gap, {"u": "ok", "d": "down", "g": "degraded"}[letter]) for n, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "state"),
    [("", "up"), ("ud", "up"), ("dd", "down"), ("dud", "up"), ("ddu", "down"), ("dduu", "up"), ("gg", "up")],
)
def test_it_takes_two_in_a_row_to_turn(text: str, state: str) -> None:
    assert settled(_seen(text), threshold=2, within_s=HOUR) == state


def test_failures_far_apart_do_not_add_up() -> None:
    assert settled(_seen("dd", gap=2 * HOUR), threshold=2, within_s=HOUR) == "up"
    assert settled(_seen("ddd", gap=0.7 * HOUR), threshold=2, within_s=HOUR) == "down"


@given(st.text(alphabet="ud", max_size=40), st.integers(1, 4))
def test_alerts_alternate_and_never_repeat(text: str, threshold: int) -> None:
    history = [(when, {"pool": status}) for when, status in _seen(text)]
    news = [
        turned(history[: n + 1], threshold=threshold, within_s=HOUR).get("pool") for n in range(len(history))
    ]
    told = [state for state in news if state]
    assert told[:1] in ([], ["down"])
    assert all(one != other for one, other in pairwise(told))
    assert len(told) <= len(text) // threshold


@contextmanager
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A real SMTP server for one connection: the port and the lines it was sent."""
    lines: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    answers = {"data": "354 go on", "quit": "221 bye", ".": "250 kept"}

    def talk() -> None:
        link, _ = listener.accept()
        with link, link.makefile("rw", newline="\r\n", encoding="utf-8") as text:
            print("220 here", file=text, flush=True)
            data = False
            for line in text:
                word = line.strip()
                lines.append(word)
                data = (data or word == "data") and word != "."
                if not data or word == "data":
                    print(answers.get(word.lower(), "250 ok"), file=text, flush=True)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], lines
        thread.join(timeout=5)
    finally:
        listener.close()


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """A real webhook: its address, and the bodies and signatures it got."""
    app, got, [port] = FastAPI(), [], free_ports(1)

    @app.post("/hook")
    async def hook(request: Request) -> dict[str, bool]:
        got.append((await request.body(), request.headers.get("x-capibara6-signature", "")))
        return {"ok": True}

    with serving(app, port):
        yield f"http://127.0.0.1:{port}/hook", got


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


async def test_a_service_that_goes_down_is_told_once(run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as (url, got):
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({"webhook": url, "threshold": 1}))
        for _ in range(2):
            state = await run(health, services=["ui"], question="")
            assert state.is_failed()
    told = [json.loads(body) for body, _ in got]
    assert [(item["service"], item["state"]) for item in told] == [("ui", "down")]
