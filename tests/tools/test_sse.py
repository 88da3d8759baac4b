"""The reader of server-sent events gives the same events, however the stream is cut into pieces."""

import pytest

from tools.clients.sse import EventReader

pytestmark = pytest.mark.pure

STREAM = (
    ': a comment\n\ndata: {"a": "ñ🦫"}\n\nevent: token\r\nid: 7\r\ndata:  one\r\ndata\r\ndata:two\r\n\r\n'
    "retry: 3\revent: named\rdata: CR\r\rdata: a\x0bb\u2028d\n\nevent: none\n\ndata: after\n\ndata: cut"
).encode()
EVENTS = [
    ("", '{"a": "ñ🦫"}'),
    ("token", " one\n\ntwo"),
    ("named", "CR"),
    ("", "a\x0bb\u2028d"),
    ("", "after"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_events_are_the_same_however_the_stream_is_cut(size: int) -> None:
    reader = EventReader()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_bytes_that_are_no_text_break_nothing() -> None:
    assert EventReader().feed(b"data: a\xff\n\n") == [("", "a\ufffd")]
