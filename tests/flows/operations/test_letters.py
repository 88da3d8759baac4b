"""Letters to visitors: in their language, once, kept while no mail server takes them, harmless to read."""

import email
import email.policy
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.operations import letters
from flows.operations.letters import Letter, deliver, post, write
from tests.flows.alert_receivers import mailbox
from tools.settings import Settings


def letter(number: int = 1, to: str = "ana@example.org") -> Letter:
    return write("lead", str(number), to, "es", name="Ana", message="Quiero una demostración.")


def box(settings: Settings) -> list[EmailMessage]:
    files = sorted((settings.home / "mail").glob("*.eml"))
    return [
        email.message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=email.policy.default)
        for file in files
    ]


def over(settings: Settings, port: int) -> Settings:
    smtp = SecretStr(f"smtp://127.0.0.1:{port}")
    return settings.model_copy(update={"alerts": settings.alerts.model_copy(update={"smtp": smtp})})


@pytest.mark.parametrize(
    ("language", "subject", "greeting"),
    [
        ("es", "Hemos recibido tu mensaje", "Hola, Ana:"),
        ("en", "We have received your message", "Hello, Ana:"),
    ],
)
def test_a_letter_speaks_the_visitors_language(language, subject: str, greeting: str) -> None:
    made = write("lead", "1", "ana@example.org", language, name="Ana", message="Dos\n\npárrafos")
    assert made.subject == subject
    assert made.text.startswith(greeting)
    assert f'<html lang="{language}">' in made.html
    assert "párrafos</p>" in made.html


def test_what_a_stranger_wrote_is_text_in_the_letter_and_never_markup(settings: Settings) -> None:
    bad = "<img src=x onerror=alert(1)> {{ 7 * 7 }} {% include 'lead.en.txt' %}"
    made = write("lead", "1", "ana@example.org", "en", name=bad, message=bad)
    assert "<img" not in made.html
    assert "{{ 7 * 7 }}" in made.html
    assert "49" not in made.html
    post(settings, made)
    assert deliver(settings) == {"lead:1": "sent"}
    [mail] = box(settings)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_without_a_mail_server_the_folder_is_the_mail_box_and_one_letter_is_one(settings: Settings) -> None:
    assert deliver(settings) == {}
    assert not settings.home.exists(), "nobody wrote, nothing is made"
    assert post(settings, letter()) == "waiting"
    assert post(settings, letter()) == "known"
    assert deliver(settings) == {"lead:1": "sent"}
    assert post(settings, letter()) == "known"
    assert deliver(settings) == {}
    [mail] = box(settings)
    assert (mail["To"], mail["Subject"]) == ("ana@example.org", "Hemos recibido tu mensaje")
    assert mail["Auto-Submitted"] == "auto-generated"


def test_an_address_gets_three_letters_a_day_and_others_theirs(settings: Settings) -> None:
    outcomes = [post(settings, letter(number)) for number in range(5)]
    assert outcomes == ["waiting"] * 3 + ["too_many"] * 2
    assert post(settings, letter(9, "berto@example.org")) == "waiting"


def test_what_no_server_takes_waits_and_is_sent_once_when_one_does(settings: Settings) -> None:
    with mailbox() as (port, lines):
        pass
    post(settings, letter())
    assert "ConnectionRefusedError" in deliver(over(settings, port))["lead:1"]
    with mailbox() as (port, lines):
        assert deliver(over(settings, port)) == {"lead:1": "sent"}
        assert deliver(over(settings, port)) == {}
        assert lines.count("data") == 1
        assert any(line.startswith("Message-ID: <") for line in lines)


@pytest.mark.parametrize("address", ["a..b@c.org", "a@b..c", "ñandú@correo.es"])
def test_an_address_that_no_mail_can_be_sent_to_holds_up_no_other(settings: Settings, address: str) -> None:
    post(settings, letter(1, address))
    post(settings, letter(2))
    outcomes = deliver(settings)
    assert "Defect" in outcomes["lead:1"] or "Error" in outcomes["lead:1"]
    assert outcomes["lead:2"] == "sent"
    assert deliver(settings) == {}, "it is not tried again"


def test_what_nobody_ever_takes_is_forgotten(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    post(settings, letter())
    monkeypatch.setattr(letters, "MAX_ATTEMPTS", 1)
    with mailbox() as (port, _):
        pass
    assert "ConnectionRefusedError" in deliver(over(settings, port))["lead:1"]
    assert deliver(over(settings, port)) == {}
    monkeypatch.setattr(letters, "KEPT_S", -1.0)
    deliver(over(settings, port))
    assert post(settings, letter()) == "waiting", "nothing is known of it any more"


def test_two_runs_at_once_send_each_letter_once(settings: Settings) -> None:
    for number in range(3):
        post(settings, letter(number, f"a{number}@example.org"))
    with mailbox() as (port, lines), ThreadPoolExecutor(4) as runs:
        for _ in runs.map(lambda _: deliver(over(settings, port)), range(4)):
            pass
        assert lines.count("data") == 3


def test_a_letter_whose_run_was_killed_is_sent_again_after_a_while(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(settings, letter())
    assert letters._claimed(settings), "and the run is killed here"
    assert deliver(settings) == {}
    monkeypatch.setattr(letters, "CLAIM_S", -1.0)
    assert deliver(settings) == {"lead:1": "sent"}


def test_the_text_of_a_letter_is_forgotten_when_it_is_sent(settings: Settings) -> None:
    post(settings, letter())
    deliver(settings)
    with sqlite3.connect(Path(settings.home) / letters.OUTBOX) as outbox:
        assert outbox.execute("SELECT text, html, state FROM letters").fetchall() == [("", "", "sent")]
