"""One mail over SMTP, with TLS where the server offers it; it knows nothing of what is written."""

import smtplib
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

SMTP_S = 15.0


def send(smtp: SecretStr, message: EmailMessage) -> None:
    """Hand it to the server at smtp://user:password@host:587 (STARTTLS when offered) or smtps://….

    Raises OSError and smtplib.SMTPException; blocks for at most `SMTP_S` seconds a step.
    """
    server = urlsplit(smtp.get_secret_value())
    secure = server.scheme == "smtps"
    kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
    host, port = server.hostname or "127.0.0.1", server.port or (465 if secure else 25)
    with kind(host, port, timeout=SMTP_S) as link:
        if not secure and link.has_extn("starttls"):
            link.starttls()
        if server.username:
            link.login(unquote(server.username), unquote(server.password or ""))
        link.send_message(message)
