"""The IMAP connector (RFC 3501, over TLS): the messages of a folder.

A message's identity is its `Message-ID`, wherever it lies; messages are only looked at, never marked as read.
A password that begins with `Bearer ` is a token of OAuth 2.0 (XOAUTH2); nobody renews it.
"""

import asyncio
import base64
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from flows.ingestion.connectors.connector import MAX_ENTRIES, Content, Entry, Listed
from flows.ingestion.identity import bounded, identity
from flows.ingestion.sources import MAX_FILE_BYTES
from flows.ingestion.unreadable import Unreadable
from tools.access.source_address import Account, Credential, account_of, parse_account, password_for
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed, UpstreamSilent
from tools.fetch import choose, resolve
from tools.sections import Fetch
from tools.settings import Settings

SESSION_S = 600.0
"""How long one connection may last, whatever is asked on it."""
AT_ONCE = 500
HEADERS = "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
UID, SIZE = re.compile(rb"UID (\d+)"), re.compile(rb"RFC822\.SIZE (\d+)")
MESSAGE_ID = re.compile(rb"(?i)message-id:\s*<([^<>\s]+)>")
BEARER = "Bearer "
PLACE = re.compile(r"(?P<folder>.+);UIDVALIDITY=(?P<validity>\d+)/;UID=(?P<uid>\d+)")
"""A message's place, as RFC 5092 writes it."""


class Imap:
    """Messages by `imaps://user@host/folder`; one connection to a folder stays open until `close`."""

    def __init__(self, settings: Settings, credential: Credential | None) -> None:
        self.rules, self.credential = settings.fetch, credential
        self._session: Session | None = None

    def uri(self, address: str) -> str:
        """The folder's address, without a password."""
        account = parse_account(address)
        return bounded(_address(account, _folder(account)))

    def entries(self, address: str) -> Listed:
        """The messages of a folder (INBOX by default), those marked as deleted left out."""
        account = parse_account(address)
        return Listed(self._messages(address, account, _folder(account)))

    def fetch(self, place: str, *, known: str = "") -> Content:
        """One message; what is in a mail box does not change."""
        account = parse_account(place)
        where = PLACE.fullmatch(account.path.strip("/"))
        if where is None:
            raise Unreadable("missing")
        session = self._open(place, account, where["folder"])
        if session.validity != where["validity"]:
            raise UpstreamFailed("the mail server has numbered its messages anew; try again", source="imap")
        return Content(session.message(where["uid"]), ".eml")

    def close(self) -> None:
        """Log out."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _messages(self, address: str, account: Account, folder: str) -> Iterator[Entry]:
        session = self._open(address, account, folder)
        base = f"{_address(account, folder)};UIDVALIDITY={session.validity}/;UID="
        known = set[str]()
        for uid, size, message_id in session.list():
            place = f"{base}{uid}"
            if message_id in known:  # a copy
                continue
            known |= {message_id} - {""}
            yield Entry(
                uri=identity(f"mid:{message_id}") if message_id else bounded(place),
                place=place,
                name="message.eml",
                version=f"{size} bytes",
                size=size,
            )

    def _open(self, address: str, account: Account, folder: str) -> "Session":
        key = (account_of(address), folder)
        if self._session is None or self._session.key != key:
            self.close()
            password = password_for(address, self.credential)
            self._session = Session(key, account, folder, password, self.rules)
        return self._session


class Session:
    """One folder, open to be read. Raises `tools.errors`; what the server says shows no password."""

    def __init__(
        self, key: tuple[str, str], account: Account, folder: str, password: str, rules: Fetch
    ) -> None:
        self.key, self.password = key, password.removeprefix(BEARER)
        self.token = self.password if password.startswith(BEARER) else ""
        ip = choose(asyncio.run(resolve(account.host, account.port)), account.host, rules)
        with self._translated():
            self.server = Pinned(account.host, account.port, ip, timeout=rules.seconds)
        try:
            with self._translated():
                self._sign_in(account.user)
                self.count = self._select(folder)
                self.validity = self.server.response("UIDVALIDITY")[1][0].decode()
        except Capibara6Error:
            self.close()
            raise

    def list(self) -> Iterator[tuple[str, int, str]]:
        """`(uid, bytes, message id)` of each message; the id is empty where it has none."""
        if self.count > MAX_ENTRIES:
            raise Unreadable("too_many", count=self.count, limit=MAX_ENTRIES)
        with self._translated():
            uids = (self.server.uid("SEARCH", "UNDELETED")[1][0] or b"").split()
        for start in range(0, len(uids), AT_ONCE):
            part = b",".join(uids[start : start + AT_ONCE]).decode()
            with self._translated():
                answer = self.server.uid("FETCH", part, HEADERS)[1]
            yield from _read_headers(answer)

    def message(self, uid: str) -> bytes:
        """A message as it was sent."""
        with self._translated():
            answer = self.server.uid("FETCH", uid, "(BODY.PEEK[])")[1]
        found = next((item[1] for item in answer if isinstance(item, tuple)), None)
        if not isinstance(found, bytes):
            raise Unreadable("missing")
        return found

    def close(self) -> None:
        """Log out, or hang up on a server that does not listen."""
        try:
            self.server.logout()
        except (imaplib.IMAP4.error, OSError):
            self.server.shutdown()
        finally:
            self.server.deadline.cancel()

    def _sign_in(self, user: str) -> None:
        offered = self.server.capabilities
        only_tokens = "AUTH=PLAIN" not in offered and "LOGINDISABLED" in offered
        if self.token or (only_tokens and "AUTH=XOAUTH2" in offered):
            if "AUTH=XOAUTH2" not in offered:
                raise UpstreamFailed("the mail server takes no token, but a password", source="imap")
            own = f"user={user}\x01auth=Bearer {self.password}\x01\x01".encode()
            # A server that refuses says why in a second challenge, which is answered with nothing.
            self.server.authenticate("XOAUTH2", lambda said: b"" if said else own)
        elif "AUTH=PLAIN" in offered:
            self.server.authenticate("PLAIN", lambda _: f"\0{user}\0{self.password}".encode())
        else:
            self.server.login(user, self.password)

    def _select(self, folder: str) -> int:
        name = f'"{mailbox_name(folder)}"'
        state, answer = self.server.select(name, readonly=True)
        if state != "OK":
            raise UpstreamFailed(f"there is no mail folder {folder!r}", source="imap")
        return int(answer[0] or b"0")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (imaplib.IMAP4.error, IndexError, AttributeError, UnicodeError) as exc:
            said = str(exc).replace(self.password, "***")[:200]
            raise UpstreamFailed(f"the mail server refused: {said}", source="imap") from None
        except TimeoutError as exc:
            raise UpstreamSilent("the mail server did not answer in time", source="imap") from exc
        except ssl.SSLError as exc:
            raise UpstreamFailed(
                f"the mail server's TLS is not to be trusted: {exc}"[:200], source="imap"
            ) from exc
        except OSError as exc:
            raise Unavailable("the mail server is not reachable, or hung up", source="imap") from exc


class Pinned(imaplib.IMAP4):
    """A connection over TLS to the address that was judged, whatever the name leads to by then; it ends after
    `SESSION_S`, and reads no message that is longer than a file may be."""

    def __init__(self, host: str, port: int, ip: str, *, timeout: float) -> None:
        self.ip = ip
        super().__init__(host, port, timeout)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        """Connects; the base class calls it."""
        plain = socket.create_connection((self.ip, port), timeout)
        try:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self.host, self.port = host, port
        self.file = self.sock.makefile("rb")
        self.deadline = threading.Timer(SESSION_S, _hang_up, [self.sock])
        self.deadline.daemon = True
        self.deadline.start()

    def read(self, size: int) -> bytes:
        """A literal. Raises IMAP4.abort for one that is too large."""
        if size > MAX_FILE_BYTES:
            raise self.abort(f"a message has {size} bytes; the maximum is {MAX_FILE_BYTES}")
        return super().read(size)


def mailbox_name(folder: str) -> str:
    """A folder's name as IMAP writes it: modified UTF-7 (RFC 3501, 5.1.3), quotes escaped. Pure."""

    def packed(run: re.Match[str]) -> str:
        text = base64.b64encode(run[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        return f"&{text}-"

    plain = re.sub(r"[^\x20-\x7e]+", packed, folder.replace("&", "&-"))
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def _folder(account: Account) -> str:
    return account.path.strip("/") or "INBOX"


def _address(account: Account, folder: str) -> str:
    return f"imaps://{quote(account.user, safe='')}@{account.authority}/{quote(folder)}"


def _read_headers(answer: Sequence[bytes | tuple[bytes, bytes]]) -> Iterator[tuple[str, int, str]]:
    """What FETCH answers: a tuple (what comes before the header, the header), then what follows it."""
    for number, item in enumerate(answer):
        if not isinstance(item, tuple):
            continue
        after = answer[number + 1] if number + 1 < len(answer) else b""
        said = item[0] + (after if isinstance(after, bytes) else b"")
        uid, size, message_id = UID.search(said), SIZE.search(said), MESSAGE_ID.search(item[1])
        if uid is not None:
            name = message_id[1].decode("ascii", errors="replace") if message_id else ""
            yield uid[1].decode(), int(size[1]) if size else 0, name


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already
        return
