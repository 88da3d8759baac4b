"""Calls of LangGraph's official JavaScript client, and of Agent Chat UI through it, and what becomes of them.

They need Node: `make clients` builds `.venv-node` with the client; without it these tests are skipped.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.agents.peers import Knobs

NODE = Path(__file__).parents[3] / ".venv-node"
PACKAGE = NODE / "js" / "node_modules" / "@langchain" / "langgraph-sdk"
RESULTS: dict[str, Any] = {
    "assistants.search": "capibara6",
    "assistants.create": "De JS",
    "assistants.update": 2,
    "assistants.getVersions": 2,
    "assistants.setLatest": "De JS",
    "assistants.getGraph": True,
    "assistants.getSchemas": "capibara6",
    "assistants.getSubgraphs": {},
    "assistants.count": 2,
    "assistants.delete": "gone",
    "runs.wait": True,
    "runs.wait without a thread": True,
    "runs.stream": ["end", "metadata", "updates", "values"],
    "runs.create, join": True,
    "runs.joinStream": ["end", "metadata", "values"],
    "runs.list": 4,
    "runs.get": "success",
    "runs.createBatch": ["capibara6"],
    "runs.cancel": "cancelled",
    "runs.delete": "gone",
    "threads.get": "idle",
    "threads.getState": True,
    "threads.getHistory": 2,
    "threads.updateState": "string",
    "threads.update": "js",
    "threads.count": 1,
    "threads.copy": True,
    "threads.delete": "gone",
    "store.putItem, getItem": {"v": 1},
    "store.searchItems": 1,
    "store.listNamespaces": [["js"]],
    "store.deleteItem": "gone",
    "crons.create without Prefect": 503,
    "runs.wait, nobody": 404,
    "chat ui: the server": 200,
    "chat ui: submit": ["custom", "end", "messages", "metadata", "updates", "values"],
    "chat ui: answer to an interrupt, none waits": 409,
    "chat ui: threads": True,
    "chat ui: history": True,
}


def test_each_call_has_its_result(api: str, knobs: Knobs) -> None:
    if not PACKAGE.exists():
        pytest.skip(".venv-node is not there: make clients")
    script = NODE / "js" / "langgraph.mjs"  # packages are found beside the script
    script.write_text(Path(__file__).with_name("js").joinpath(script.name).read_text("utf-8"), "utf-8")
    done = subprocess.run(
        [NODE / "bin" / "node", script, api], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == RESULTS


async def test_server_says_what_it_is(http) -> None:
    assert (await http.get("/ok")).json() == {"ok": True}
    info = (await http.get("/info")).json()
    assert info["version"]
    assert info["flags"]["crons"] is True
