"""Servers of others: every page, wildcards, content, sessions that last or are opened again, and for whom."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr, ValidationError

from agents.tooling.policy import Grants, Taint, decide, granted
from tests.ports import free_ports
from tests.serving import serving
from tests.tools.mcp.server import Asked, build
from tools.access.identity import LOCAL, acting_as
from tools.errors import BadRequest, Forbidden, Unavailable, UpstreamSilent
from tools.mcp.options import McpServer
from tools.mcp.remote_content import attachments_of
from tools.mcp.remote_tools import RemoteTools

ALL = Grants({"others__*"})
REPO = Path(__file__).parents[3]
PROGRAM = (sys.executable, "-m", "tests.tools.mcp.server")


@asynccontextmanager
async def opened(*, commands: tuple[str, ...] = (), **server: Any) -> AsyncIterator[RemoteTools]:
    found = RemoteTools({"others": McpServer(**server)}, commands)
    try:
        yield found
    finally:
        await found.close()


async def test_every_page_of_tools_is_offered_under_a_wildcard(url: str) -> None:
    async with opened(url=url) as remote:
        found = await remote.offered(ALL)
        some = await remote.offered(Grants({"others__e*", "others__slow"}))
    assert set(found) == {f"others__{name}" for name in ("echo", "picture", "fail", "environment", "slow")}
    assert set(some) == {"others__echo", "others__environment", "others__slow"}


async def test_what_a_person_would_not_see_of_a_description_is_left_out(url: str) -> None:
    async with opened(url=url) as remote:
        tool = (await remote.offered(ALL))["others__echo"]
    assert tool.schema["function"]["description"] == "echo x"


async def test_one_session_serves_many_calls(url: str, asked: Asked) -> None:
    async with opened(url=url, headers={"authorization": "Bearer for-others"}) as remote:
        echo = (await remote.offered(ALL))["others__echo"]
        answers = await asyncio.gather(*(echo.call({"text": str(n)}) for n in range(20)))
        client = remote.sessions["others"]._client
        assert await echo.call({"text": "again"}) == "again"
        assert remote.sessions["others"]._client is client
    assert answers == [str(n) for n in range(20)]
    assert set(asked.headers) == {"Bearer for-others"}


async def test_pictures_links_and_texts_are_kept(url: str) -> None:
    async with opened(url=url) as remote:
        answer = await (await remote.offered(ALL))["others__picture"].call({})
    picture, link, note = attachments_of(answer)
    assert answer["answer"] == "Two storks."
    assert (picture.kind, picture.mime_type) == ("image", "image/png") and picture.data
    assert (link.kind, link.title, link.uri) == ("link", "The nest", "https://example.org/nest")
    assert (note.kind, note.text) == ("resource", "La cigüeña vuelve en febrero.")


async def test_changed_tools_are_noticed(url: str, asked: Asked) -> None:
    async with opened(url=url) as remote:
        echo = (await remote.offered(ALL))["others__echo"]
        await echo.call({"text": "grow"})
        async with asyncio.timeout(10):
            while "others__grow" not in await remote.offered(ALL):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_what_fails_or_is_late_says_so_and_the_session_goes_on(url: str) -> None:
    async with opened(url=url, timeout_s=1.0) as remote:
        found = await remote.offered(ALL)
        with pytest.raises(BadRequest, match="no film"):
            await found["others__fail"].call({})
        with pytest.raises(UpstreamSilent):
            await found["others__slow"].call({})
        assert await found["others__echo"].call({"text": "still"}) == "still"


async def test_a_server_that_comes_back_is_asked_again_and_one_that_is_gone_left_alone() -> None:
    (port,) = free_ports(1)
    asked = Asked()
    async with opened(url=f"http://127.0.0.1:{port}/mcp") as remote:
        with serving(build(asked, listens=False).streamable_http_app(), port):
            echo = (await remote.offered(ALL))["others__echo"]
        with pytest.raises(Unavailable):
            await echo.call({"text": "away"})
        with serving(build(asked, listens=False).streamable_http_app(), port):
            assert await echo.call({"text": "back"}) == "back"
    async with opened(url=f"http://127.0.0.1:{port}/mcp") as remote:
        for _ in range(3):
            assert await remote.offered(ALL) == {}
        began = time.monotonic()
        with pytest.raises(Unavailable, match="could not be reached lately"):
            await remote.sessions["others"].tools()
        assert time.monotonic() - began < 1
    assert [name for name, _ in asked.calls] == ["echo"]


async def test_a_program_gets_its_own_environment_and_ends_with_its_session() -> None:
    os.environ["CAPIBARA6_CANARY"] = "zarapito"
    program: dict[str, Any] = {"command": PROGRAM[0], "args": PROGRAM[1:], "cwd": REPO}
    try:
        async with opened(
            **program, env={"MINE": SecretStr("1")}, commands=(f"{PROGRAM[0]} -m tests.tools.mcp.server",)
        ) as remote:
            found = await remote.offered(ALL)
            names = (await found["others__environment"].call({})).split(",")
            children = [
                one for one in psutil.Process().children() if "tests.tools.mcp.server" in one.cmdline()
            ]
            assert len(children) == 1
    finally:
        del os.environ["CAPIBARA6_CANARY"]
    assert "MINE" in names and not [name for name in names if name.startswith("CAPIBARA6")]
    assert not children[0].is_running()
    async with opened(**program, commands=("npx", f"{PROGRAM[0]} -m other")) as remote:
        assert await remote.offered(ALL) == {}
        with pytest.raises(Forbidden, match="CAPIBARA6_MCP__COMMANDS"):
            await remote.sessions["others"].tools()


async def test_a_server_is_there_for_whom_it_names(url: str) -> None:
    ana = replace(LOCAL, user="ana", role="user", platform=False)
    async with opened(url=url, users=("default/beto", "operator")) as remote:
        for person, may in (
            (ana, False),
            (replace(ana, user="beto"), True),
            (replace(ana, role="operator"), True),
            (replace(ana, user="beto", tenant="huerta"), False),
        ):
            with acting_as(person):
                assert bool(await remote.offered(ALL)) is may


async def test_a_trusted_server_that_only_reads_asks_nobody(url: str) -> None:
    kinds: dict[tuple[bool, str], str] = {}
    for trusted in (True, False):
        async with opened(url=url, trusted=trusted) as remote:
            for name, tool in (await remote.offered(ALL)).items():
                taint = Taint(private=False, untrusted=True)
                decision = decide(name, tool.tool, grants=ALL, taint=taint, confirmed=False)
                kinds[trusted, name.removeprefix("others__")] = decision.kind
                leak = decide(name, tool.tool, grants=ALL, taint=Taint(True, True), confirmed=True)
                assert leak.kind == "refuse"
    assert (kinds[True, "echo"], kinds[True, "environment"]) == ("allow", "ask")
    assert (kinds[False, "echo"], kinds[False, "environment"]) == ("ask", "ask")


def test_wildcards_never_grant_more_than_both_sides_did() -> None:
    assert "others__echo" in granted(("others__*",), ("others__echo", "query_sql"), ())
    assert granted(("others__echo",), ("others__*",), ()) == {"others__echo"}
    assert "others__slow" not in granted(("others__e*",), ("others__*",), ())
    assert "query_sql" not in granted(("others__*", "query_sql"), ("*", "others*"), ())


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("npx -y @scope/memory", "a program is named by `command` and `args`"),
        ({"command": "npx", "url": "https://a.b/mcp"}, "a command or a url"),
        ({}, "a command or a url"),
        ({"url": "ftp://a.b"}, "no address"),
        ({"url": "https://a.b", "env": {"A": "b"}}, "env means nothing for a url"),
        ({"command": "npx", "headers": {"a": "b"}}, "headers means nothing for a command"),
        ({"url": "https://a.b", "type": "stdio"}, "type stdio does not fit"),
        ({"url": "https://a.b", "autoApprove": ["x"]}, "autoApprove"),
    ],
)
def test_an_entry_that_would_do_nothing_is_refused(entry: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        McpServer.model_validate(entry)
