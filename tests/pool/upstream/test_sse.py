"""An engine's stream of events: read the same however it is cut, and never ended cleanly when it is wrong."""

import pytest

from servers.pool.upstream.sse import EVENT_BYTES, Reader
from tools.errors import UpstreamFailed

pytestmark = pytest.mark.pure

STREAM = (
    b': hello\r\n\r\ndata: {"choices":[{"delta":{"content":"\xc3\xb1"}}]}\n\n'
    b'event: x\ndata: {"choices":[],"usage":{"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


def read(pieces: list[bytes]) -> tuple[bytes, Reader]:
    reader = Reader()
    said = b"".join(reader.feed(piece) for piece in pieces)
    reader.close()
    return said, reader


def test_a_stream_reads_the_same_however_it_is_cut():
    whole, _ = read([STREAM])
    for cut in range(1, len(STREAM)):
        said, reader = read([STREAM[:cut], STREAM[cut:]])
        assert said.replace(b"\r", b"") == whole.replace(b"\r", b""), f"cut at {cut}"
        assert reader.done and reader.usage == {"completion_tokens": 2} and reader.events == 2
    read([STREAM[place : place + 1] for place in range(len(STREAM))])


@pytest.mark.parametrize(
    "said",
    [b"data: {}\n\n", b"", b'data: {"error":"x"}\n\n', b"data: 5\n\n", b"nonsense\n\n", b"data: [1]\n\n"],
)
def test_a_stream_that_is_wrong_or_ends_early_is_a_failure(said):
    with pytest.raises(UpstreamFailed):
        read([said])


def test_an_event_without_end_is_a_failure_before_it_fills_the_memory():
    reader = Reader()
    with pytest.raises(UpstreamFailed):
        for _ in range(3 * EVENT_BYTES // 2**16):
            reader.feed(b"x" * 2**16)
