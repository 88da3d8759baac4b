"""Every call of the official JavaScript clients of OpenAI and Ollama, unchanged, and what becomes of it.

They need Node: `make clients` builds `.venv-node` with both; without it these tests are skipped.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pool.clients.serving import serve_clients

NODE = Path(__file__).parents[3] / ".venv-node"
SCRIPT = NODE / "js" / "rows.mjs"
RESULTS: dict[str, Any] = {
    "openai models.list": ["chat", "vectors"],
    "openai models.retrieve": "capibara6",
    "openai models.delete": 404,
    "openai chat": 8,
    "openai chat stream": "t0 t1 ",
    "openai chat usage": 5,
    "openai chat tools": "weather",
    "openai chat thinking": "pienso",
    "openai chat n": 400,
    "openai chat nobody": 404,
    "openai chat.stream": "t0 t1 t2 t3 t4 ",
    "openai chat.parse": "hola",
    "openai chat abort": True,
    "openai completions": "x x ",
    "openai embeddings": 2,
    "openai responses": "hola",
    "openai responses stream": "response.completed",
    "openai responses without": 501,
    "openai responses.retrieve": 501,
    "openai images": 404,
    "ollama list": ["chat", "vectors"],
    "ollama version": "string",
    "ollama ps": True,
    "ollama show": ["completion", "tools"],
    "ollama chat": "x x x x x ",
    "ollama chat stream": "t0 t1 ",
    "ollama chat tools": "Madrid",
    "ollama chat think": "pienso",
    "ollama chat nobody": 404,
    "ollama chat abort": "AbortError",
    "ollama generate": "x x x x x ",
    "ollama generate stream": True,
    "ollama embed": 2,
    "ollama embeddings": [1.0, 0.0],
    "ollama create": 501,
    "ollama copy": 501,
    "ollama delete": 501,
    "ollama pull": 501,
    "ollama push": 501,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What Node printed."""
    if not SCRIPT.exists():
        pytest.skip(".venv-node is not there: make clients")
    script = Path(__file__).with_name("js") / "rows.mjs"
    SCRIPT.write_text(script.read_text("utf-8"), "utf-8")  # packages are found beside the script
    with serve_clients(tmp_path_factory.mktemp("clients")) as base:
        done = subprocess.run(
            [NODE / "bin" / "node", SCRIPT, base], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr[-3000:]
    yield json.loads(done.stdout)


@pytest.mark.parametrize(("row", "result"), RESULTS.items(), ids=list(RESULTS))
def test_each_call_of_the_javascript_clients_has_its_result(
    found: dict[str, Any], row: str, result: Any
) -> None:
    assert found[row] == result
    assert found.keys() == RESULTS.keys()
