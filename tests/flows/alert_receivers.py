"""Where operators hear of trouble, small and real: a mail server and a webhook that keep what they get."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, Request

from tests.ports import free_ports
from tests.serving import serving


@contextmanager
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A real SMTP server, one connection after another: its port and the lines it was sent."""
    lines: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    answers = {"data": "354 go on", "quit": "221 bye", ".": "250 kept"}

    def talk() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link, link.makefile("rw", newline="\r\n", encoding="utf-8") as text:
                print("220 here", file=text, flush=True)
                data = False
                for line in text:
                    word = line.strip()
                    lines.append(word)
                    data = (data or word == "data") and word != "."
                    if not data or word == "data":
                        print(answers.get(word.lower(), "250 ok"), file=text, flush=True)

    threading.Thread(target=talk, daemon=True).start()
    try:
        yield listener.getsockname()[1], lines
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def receiver(port: int = 0) -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """A real webhook: its address, and the bodies and signatures it got."""
    app, got, port = FastAPI(), [], port or free_ports(1)[0]

    @app.post("/hook")
    async def hook(request: Request) -> dict[str, bool]:
        got.append((await request.body(), request.headers.get("x-capibara6-signature", "")))
        return {"ok": True}

    with serving(app, port):
        yield f"http://127.0.0.1:{port}/hook", got
