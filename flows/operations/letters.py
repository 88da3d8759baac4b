"""Letters to visitors: written in their language, kept until a mail server has taken them, each sent once.

A letter waits in `letters.sqlite` of the data directory; without `CAPIBARA6_ALERTS__SMTP` the folder `mail`
there is the mail box. One that is handed over is claimed first, so that two runs do not send it twice; one
whose run was killed is sent again after `CLAIM_S`, under the same `Message-ID`: a second copy can be told.
"""

import asyncio
import hashlib
import smtplib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.operations import smtp
from flows.operations.retry import LONG_RETRY
from tools.schema import Language
from tools.settings import Settings

OUTBOX = "letters.sqlite"
A_DAY = 3
"""Letters to one address in 24 hours: whoever types somebody else's address can not fill their mail box."""
CLAIM_S = 600.0
KEPT_S = 30 * 86_400.0
"""Seconds after which the address of a letter that was sent, or that nobody took, is forgotten; the text of
one that was sent is at once."""
MAX_ATTEMPTS = 50
"""One try a check of `health`: half a day of a server that takes nothing."""
DAY_S = 86_400.0
SCHEMA = """CREATE TABLE IF NOT EXISTS letters (
    id text PRIMARY KEY, recipient text NOT NULL, subject text NOT NULL, text text NOT NULL,
    html text NOT NULL, state text NOT NULL DEFAULT 'waiting', reason text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0, made real NOT NULL, at real NOT NULL)"""
TEXTS = Environment(
    loader=PackageLoader("flows.operations"),
    undefined=StrictUndefined,
    trim_blocks=True,
    # The texts are no HTML; `letter.html` is, and holds what strangers wrote.
    autoescape=lambda name: str(name).endswith(".html"),
)


@dataclass(frozen=True)
class Letter:
    """One letter; `id` says what it is about: the same is not sent twice."""

    id: str
    to: str
    subject: str
    text: str
    html: str


def write(
    kind: Literal["lead", "conversation"], id: str, to: str, language: Language, **values: str
) -> Letter:
    """A letter in `language`, as text and as HTML in which `values` are escaped."""
    said = TEXTS.get_template(f"{kind}.{language}.txt").render(values)
    subject, _, text = said.partition("\n")
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    page = TEXTS.get_template("letter.html")
    html = page.render(language=language, subject=subject, paragraphs=paragraphs)
    return Letter(f"{kind}:{id}", to, subject, text, html)


@task(task_run_name="letter {letter.id}", cache_policy=NO_CACHE, **LONG_RETRY)
async def send(settings: Settings, letter: Letter) -> None:
    """Put a letter into the outbox and hand over what waits; `health` tries again what was not taken."""
    posted = await asyncio.to_thread(post, settings, letter)
    delivered = await asyncio.to_thread(deliver, settings)
    get_run_logger().info(f"{letter.id}: {delivered.get(letter.id, posted)}")


def post(settings: Settings, letter: Letter) -> Literal["waiting", "known", "too_many"]:
    """Put a letter into the outbox: `known` when it was there before, `too_many` for one address in a day."""
    now = time.time()
    with _outbox(settings) as outbox:
        if outbox.execute("SELECT 1 FROM letters WHERE id = ?", (letter.id,)).fetchone():
            return "known"
        lately = "SELECT count(*) FROM letters WHERE recipient = ? AND made > ?"
        if outbox.execute(lately, (letter.to, now - DAY_S)).fetchone()[0] >= A_DAY:
            return "too_many"
        row = (letter.id, letter.to, letter.subject, letter.text, letter.html, now, now)
        columns = "id, recipient, subject, text, html, made, at"
        outbox.execute(f"INSERT INTO letters ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return "waiting"


def deliver(settings: Settings) -> dict[str, str]:
    """Hand over what waits; what became of each: `sent`, or why not. What fails waits for the next time."""
    outcomes = {}
    for letter in _claimed(settings):
        try:
            _hand_over(settings, letter)
        except (OSError, smtplib.SMTPException) as exc:
            state, outcomes[letter.id] = "waiting", f"{type(exc).__name__}: {exc}"
        except (ValueError, MessageError) as exc:  # an address that no mail can be sent to holds up no other
            state, outcomes[letter.id] = "refused", f"{type(exc).__name__}: {exc}"
        else:
            state = outcomes[letter.id] = "sent"
        _end(settings, letter, state, "" if state == "sent" else outcomes[letter.id])
    return outcomes


def _claimed(settings: Settings) -> list[Letter]:
    """What waits, and what a run that was killed left behind; it is this run's from now on."""
    now = time.time()
    if not (settings.home.absolute() / OUTBOX).exists():
        return []
    with _outbox(settings) as outbox:
        over = "(state IN ('sent', 'refused') OR attempts >= ?) AND at < ?"
        outbox.execute(f"DELETE FROM letters WHERE {over}", (MAX_ATTEMPTS, now - KEPT_S))
        rows = outbox.execute(
            "UPDATE letters SET state = 'sending', at = ?, attempts = attempts + 1 WHERE attempts < ? AND"
            " (state = 'waiting' OR (state = 'sending' AND at < ?))"
            " RETURNING id, recipient, subject, text, html",
            (now, MAX_ATTEMPTS, now - CLAIM_S),
        ).fetchall()
    return [Letter(*row) for row in rows]


def _end(settings: Settings, letter: Letter, state: str, reason: str) -> None:
    kept = (letter.text, letter.html) if state == "waiting" else ("", "")
    with _outbox(settings) as outbox:
        outbox.execute(
            "UPDATE letters SET state = ?, reason = ?, at = ?, text = ?, html = ? WHERE id = ?",
            (state, reason, time.time(), *kept, letter.id),
        )


def _hand_over(settings: Settings, letter: Letter) -> None:
    message = EmailMessage()
    digest = hashlib.sha256(letter.id.encode()).hexdigest()[:32]
    message["Subject"], message["From"] = letter.subject, settings.alerts.sender
    message["To"] = Address(addr_spec=letter.to)
    message["Message-ID"] = f"<{digest}@{settings.alerts.sender.partition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: absence notes do not answer it
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    if settings.alerts.smtp is not None:
        smtp.send(settings.alerts.smtp, message)
        return
    box = settings.home.absolute() / "mail"
    box.mkdir(parents=True, exist_ok=True, mode=0o700)
    (box / f"{digest}.eml").write_bytes(bytes(message))


@contextmanager
def _outbox(settings: Settings) -> Iterator[sqlite3.Connection]:
    """The outbox as one transaction that nobody else writes in; waits for others up to 30 seconds."""
    home = settings.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(home / OUTBOX, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            connection.execute(SCHEMA)
            yield connection
