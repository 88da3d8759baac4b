"""Mail (EML, MBOX, MSG): headers and body of each message; attachments are files of their own."""

import io
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.html import page as html
from flows.ingestion.parsers.parts import Embedded, Malformed, Parsed, Part, parsing

SAID = {
    "From": "Correo de · Mail from",
    "To": "Para · To",
    "Cc": "Copia · Cc",
    "Date": "Fecha · Date",
    "Subject": "Asunto · Subject",
}
"""In both languages: who asks for a mail's sender asks in theirs, whatever it is written in."""
HEADERS = tuple(SAID)
MAIL_ERRORS = (LookupError, AttributeError, TypeError, ValueError, AssertionError)
"""What the standard library's mail parser trips over when a header is not what it should be."""
MAX_ATTACHMENTS = 200


def parse(data: bytes, suffix: str) -> Iterator[Part]:
    """One message and its attachments. Raises `Malformed`."""
    with parsing(*MAIL_ERRORS):
        yield from list(_message(message_from_bytes(data, policy=policy.default), ""))


def parse_mbox(data: bytes, suffix: str) -> Iterator[Part]:
    """The messages of a mailbox, `#1` and on, and their attachments. Raises `Malformed`."""
    if not data.startswith(b"From "):
        raise Malformed("no message begins it")
    with parsing(*MAIL_ERRORS):
        for number, one in enumerate(re.split(rb"(?:\A|\r?\n\r?\n)From [^\n]*\n", data)[1:], start=1):
            plain = re.sub(rb"(?m)^>(>*From )", rb"\1", one)
            yield from _message(message_from_bytes(plain, policy=policy.default), f"#{number}")


def parse_msg(data: bytes, suffix: str) -> Iterator[Part]:
    """A message as Outlook keeps it, and its attachments. Raises `Malformed`."""
    from oxmsg import Message  # noqa: PLC0415  (a tenth of a second that other mail does not need)

    with parsing(OSError, KeyError, IndexError, *MAIL_ERRORS):
        message = Message.load(io.BytesIO(data))
        recipients = ", ".join(f"{one.name} <{one.email_address}>" for one in message.recipients)
        when = format_datetime(message.sent_date) if message.sent_date else ""
        values = (message.sender or "", recipients, "", when, message.subject or "")
        files = [(one.file_name or "", one.file_bytes or b"") for one in message.attachments]
        body = message.body or html.fragment(message.html_body or "")
    yield from _parts(dict(zip(HEADERS, values, strict=True)), body, files, "")


def _message(message: EmailMessage, name: str) -> Iterator[Part]:
    headers = {key: " ".join(str(message.get(key) or "").split()) for key in HEADERS}
    files = list(_attachments(message))
    yield from _parts(headers, _body(message), files, name)


def _parts(headers: dict[str, str], body: str, files: list[tuple[str, bytes]], name: str) -> Iterator[Part]:
    subject = headers.get("Subject", "")
    lines = [f"{SAID[key]}: {value}" for key, value in headers.items() if value]
    lines += [f"Adjuntos · Attachments: {', '.join(file for file, _ in files)}"] if files else []
    text = markdown.join([markdown.heading(1, subject), "\n".join(lines), body])
    metadata = {"subject": subject, "from": headers.get("From", ""), "date": headers.get("Date", "")}
    yield Parsed(text, subject, {key: value for key, value in metadata.items() if value}, name)
    for number, (file, data) in enumerate(files[:MAX_ATTACHMENTS], start=1):
        yield Embedded(f"{name}/{file or number}", data)


def _body(message: EmailMessage) -> str:
    """The text that a reader sees: plain if there is any, else what the page says."""
    found = message.get_body(preferencelist=("plain", "html"))
    if found is None:
        return ""
    data = found.get_payload(decode=True)
    text = decode(data if isinstance(data, bytes) else b"", declared=found.get_content_charset() or "")
    if found.get_content_subtype() == "html":
        return html.fragment(text)
    return "\n\n".join(markdown.paragraph(block) for block in re.split(r"\n\s*\n", text))


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    """`(file name, bytes)`; pictures that the body shows are no attachments."""
    for part in message.walk():
        if part is message or part.get_content_maintype() == "multipart":
            continue
        name = part.get_filename() or ""
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and not isinstance(inner[0], str):
                yield name or "message.eml", inner[0].as_bytes()
            continue
        is_shown = part.get_content_disposition() != "attachment" and part.get("Content-ID") is not None
        data = part.get_payload(decode=True)
        if (
            (name or part.get_content_disposition() == "attachment")
            and not is_shown
            and isinstance(data, bytes)
        ):
            yield name, data
