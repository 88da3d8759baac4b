"""Reads server-sent events (WHATWG HTML, section 9.2.6) out of the pieces in which they arrive.

They are written in `servers/web/sse.py`. Ids and times to reconnect are left out: none of our clients comes
back.
"""


class EventReader:
    """One stream; what of an event has not arrived yet is kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._name, self._data = "", list[str]()

    def feed(self, piece: bytes) -> list[tuple[str, str]]:
        """The events that are whole with this piece: name ("" without one) and data."""
        text, held = self._rest + piece, b""
        if b"\r" in text:
            if text.endswith(b"\r"):  # perhaps the first half of CRLF
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, last = text.split(b"\n")
        self._rest = last + held
        return [event for line in lines if (event := self._line(line.decode("utf-8", "replace"))) is not None]

    def _line(self, line: str) -> tuple[str, str] | None:
        """The event that an empty line ends."""
        if not line:
            name, data = self._name, self._data
            self._name, self._data = "", []
            return (name, "\n".join(data)) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None
