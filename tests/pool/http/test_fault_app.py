"""What comes in at the door: nonsense, floods, slow senders, tricks. Nothing of it reaches an engine."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import resource
import time

import pytest
from pydantic import SecretStr

from tests.pool.harness import make_settings, model, serving, write_catalog

PATHS = """/v1/chat/completions /v1/completions /v1/embeddings /v1/route
           /api/chat /api/generate /api/embed /api/show""".split()
HI = [{"role": "user", "content": "hola"}]
KEYS = """model messages prompt input stream n max_tokens temperature stop tools options keep_alive format
          stream_options logit_bias response_format seed images system top_logprobs metadata raw suffix
          tool_choice name role content""".split()
ATOMS = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        3.5,
        1e300,
        2**63,
        10**40,
        "",
        "m",
        "auto",
        "hola",
        "\x00",
        "ñ\u2028",
        "😀",
    ),
    *([], {}, "user", [[]], {"role": "user", "content": "x"}, [{"role": "user", "content": "hola"}]),
)
RAW = (
    *(b"", b"{", b"nul", b"[1,2", b'{"a":NaN}', b"\xff\xfe{}", b"[]", b'"x"', b"0" * 1000, b'{"n":1e400}'),
    *(b'{"model":"m","messages":[],"n":Infinity}', b'{"model":"m","model":"n"}', b'{"model":"\\u0000"}'),
    *(b"[" * 100_000, b'{"a":' * 100_000),
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"n":1,"n":9}',
)


def nonsense(source: random.Random, depth: int = 0):
    """A random JSON value, often close to a real request."""
    kind = source.random()
    if depth > 3 or kind < 0.4:
        return source.choice(ATOMS)
    if kind < 0.6:
        return [nonsense(source, depth + 1) for _ in range(source.randrange(4))]
    return {source.choice(KEYS): nonsense(source, depth + 1) for _ in range(source.randrange(6))}


def body(source: random.Random) -> bytes:
    if source.random() < 0.1:
        return source.choice(RAW)
    request = {"model": "m", "messages": HI, "prompt": "x", "input": "x"}
    for _ in range(source.randrange(4)):
        request[source.choice(KEYS)] = nonsense(source)
    return json.dumps(request, allow_nan=True).encode("utf-8", "surrogatepass")


async def call(app, path: str, sent: bytes) -> tuple[int, bytes]:
    """One request straight into the ASGI app."""
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    status, said = 0, bytearray()
    given = [{"type": "http.request", "body": sent, "more_body": False}]

    async def receive():
        return given.pop() if given else await asyncio.Event().wait()

    async def send(message):
        nonlocal status
        status = message.get("status", status)
        said.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, bytes(said)


async def test_fault_25_ten_thousand_malformed_requests_are_never_a_5xx(open_client):
    first = int.from_bytes(os.urandom(4))
    async with open_client({"m": {"backend": "extractive"}}) as client:
        for seed in range(first, first + 10_000):
            source = random.Random(seed)
            path, sent = source.choice(PATHS), body(source)
            status, said = await call(client.app, path, sent)
            assert status < 500 or status == 501, f"seed {seed}: {path} {sent[:300]} → {status} {said[:300]}"
            if status >= 400:
                error = json.loads(said)["error"]
                if path.startswith("/api/"):
                    assert isinstance(error, str), f"seed {seed}"
                else:
                    assert set(error) == {"message", "type", "code", "param", "source"}, f"seed {seed}"


@pytest.mark.parametrize("sent", RAW)
async def test_fault_25_bytes_that_are_no_request_are_400(open_client, sent):
    async with open_client({"m": {"backend": "extractive"}}) as client:
        status, said = await call(client.app, "/v1/chat/completions", sent)
        assert status == 400 and json.loads(said)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("declared", [True, False])
async def test_fault_26_a_body_of_100_mb_is_refused_early(open_client, declared):
    async with open_client({"m": {"backend": "extractive"}}) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reader, writer = await asyncio.open_connection("127.0.0.1", client.settings.ports.pool)
        length = "content-length: 104857600" if declared else "transfer-encoding: chunked"
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}{length}\r\n\r\n".encode())
        answer = asyncio.ensure_future(reader.readline())
        piece = b"x" * 2**16
        with contextlib.suppress(ConnectionError):
            for _ in range(1600):
                writer.write(piece if declared else b"10000\r\n" + piece + b"\r\n")
                await writer.drain()
        assert (await answer).startswith(b"HTTP/1.1 413 ")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
        writer.close()


async def test_fault_27_two_hundred_slow_senders_are_closed_and_good_clients_are_served(open_client):
    limits = {"header_s": 0.8, "body_s": 0.8}
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    body, chunks = b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n5\r\n{"
    kinds = (b"", b"POST /v1/chat", head + b"x-a: b", head + body, head + chunks)
    async with open_client({"m": {"backend": "extractive"}}, limits=limits) as client:
        port = client.settings.ports.pool

        async def slow(start: bytes) -> float:
            """How long the pool puts up with a sender that drips a byte now and then."""
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            began = time.monotonic()
            closed = asyncio.ensure_future(until_closed(reader))
            writer.write(start)
            while not (await asyncio.wait({closed}, timeout=0.2))[0] and time.monotonic() - began < 90:
                if start:
                    writer.write(b"a")
            closed.cancel()
            writer.close()
            return time.monotonic() - began

        each = itertools.islice(itertools.cycle(kinds), 200)
        senders = [asyncio.ensure_future(slow(kind)) for kind in each]
        await asyncio.sleep(0.3)
        for _ in range(20):
            assert (await client.chat("m"))[0] == 200
        assert max(await asyncio.gather(*senders)) < 60


async def until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()


TRICKS = """{} /{} {}/ {}/health {}/ready /health/..{} /health/%2e%2e{} /health;{} /health/..;{} {}%2f
            {}?/health /HEALTH/..{} //health{} {}#/health {}/. /health%2f..%2f{}
            http://127.0.0.1/health/..{}""".split()
HOSTS = ("x", "x/health?a=", "127.0.0.1:1/health", "")


async def test_fault_28_no_trick_with_paths_or_hosts_gets_past_the_key(tmp_path):
    catalog = write_catalog(tmp_path / "models.toml", {"m": {"backend": "extractive"}})
    settings = make_settings(tmp_path / "home", catalog).model_copy(update={"api_key": SecretStr("k" * 20)})
    port = settings.ports.pool
    async with serving(settings):
        routes = ("/v1/models", "/stats", "/metrics", "/v1/models/m", "/api/tags", "/api/ps")
        for route, trick, host in itertools.product(routes, TRICKS, HOSTS):
            said = await raw(port, trick.format(route), f"host: {host}")
            status = int(said.split()[1]) if said else 400
            assert status in (400, 401, 404, 421), f"{trick.format(route)} with host {host!r} → {status}"
            assert b'"data"' not in said and b"slots" not in said
        assert (await raw(port, "/health", "host: localhost")).startswith(b"HTTP/1.1 200 ")
        key = "authorization: Bearer " + "k" * 20
        assert (await raw(port, "/v1/models", f"host: localhost\r\n{key}")).startswith(b"HTTP/1.1 200 ")


async def raw(port: int, target: str, headers: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n".encode("latin-1"))
    async with asyncio.timeout(60):
        said = await reader.read()
    writer.close()
    return said


IMAGE = {"type": "image_url", "image_url": {"url": "u"}}
EXCESSIVE = (
    *({"n": 10**9}, {"best_of": 10**9}, {"max_tokens": 10**12}, {"logprobs": 10**6}, {"top_logprobs": 10**6}),
    *({"stop": ["x"] * 100_000}, {"messages": HI * 100_000}, {"n": "2"}, {"temperature": "hot"}),
    {"messages": [{"role": "user", "content": [IMAGE] * 100_000}]},
    *({"temperature": True}, {"max_completion_tokens": -5}, {"stream": "yes"}, {"messages": {}}),
    *({"messages": []}, {"tools": [{}] * 10_000}, {"min_tokens": 10**12}, {"prompt_logprobs": 10**6}),
    *({"seed": 10**30}, {"messages": [{"role": "root", "content": ""}]}),
)


async def test_fault_29_excessive_requests_are_refused_before_any_engine_hears_of_them(open_client, journal):
    async with open_client({"a": model(journal)}) as client:
        for more in EXCESSIVE:
            request = {"model": "a", "messages": HI, **more}
            status, said = await call(client.app, "/v1/chat/completions", json.dumps(request).encode())
            assert status == 400, f"{str(more)[:80]} → {status}"
            assert json.loads(said)["error"]["type"] == "invalid_request_error"
        for path, field in (("/v1/completions", "prompt"), ("/v1/embeddings", "input")):
            many = json.dumps({"model": "a", field: ["x"] * 100_000}).encode()
            assert (await call(client.app, path, many))[0] == 400
        assert client.written("start") == [], "no engine was even started"
