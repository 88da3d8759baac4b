"""Frames between the server and the programs that speak and listen for it. The standard library alone: each
program imports this, whatever environment it runs in.

A frame is one byte of kind, four of length (big endian) and a body.
In: `J` a job, JSON as its program describes it · `X` stop the job.
Out: `H` hello, JSON `{sample_rate, version}` and what else there is to know · `S` 16-bit mono samples, or
another answer to a job · `.` the job's end · `V` no such voice · `F` failed; the last two carry a message.
"""

import ctypes
import os
import select
import signal
import struct

HEADER = struct.Struct(">cI")
PR_SET_PDEATHSIG = 1


class Pipe:
    """Frames over two file descriptors."""

    def __init__(self, reads: int, writes: int) -> None:
        self.reads = reads
        self.writes = writes

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Raises `BrokenPipeError` when nobody listens any more."""
        left = memoryview(HEADER.pack(kind, len(body)) + body)
        while left:
            left = left[os.write(self.writes, left) :]

    def receive(self) -> tuple[bytes, bytes] | None:
        """The next frame's kind and body; None at the end of the input."""
        head = self._exactly(HEADER.size)
        if head is None:
            return None
        kind, length = HEADER.unpack(head)
        body = self._exactly(length)
        return None if body is None else (kind, body)

    def waiting(self) -> bool:
        """Whether something came in: while a job runs that is its stop, or the end of the input."""
        return bool(select.select([self.reads], [], [], 0)[0])

    def _exactly(self, count: int) -> bytes | None:
        body = b""
        while len(body) < count:
            part = os.read(self.reads, count - len(body))
            if not part:
                return None
            body += part
        return body


def open_pipe() -> Pipe:
    """The program's standard input and output as frames. It ends with the thread that started it; what its
    libraries print goes to standard error, and they have nothing to read: it would be a frame."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    pipe = Pipe(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipe
