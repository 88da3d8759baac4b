"""`up --role models` for real: it starts, waits for and reports the pool alone, at its real address."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from servers.commands.connectivity import matrix
from servers.local.machines import own_addresses
from tests.conftest import settings_in

REPO = Path(__file__).parents[2]
KEY = "the-key-of-three-machines"


def test_a_models_machine_runs_the_pool_and_the_others_find_it(tmp_path: Path) -> None:
    own = next(
        (address for address in sorted(own_addresses()) if "." in address and address[:4] != "127."), None
    )
    if own is None:
        pytest.skip("this machine has loopback alone")
    hosts = {"services": "127.0.0.8", "models": own, "rag": "127.0.0.9"}
    settings = settings_in(tmp_path / "home", hosts=hosts, host="0.0.0.0", api_key=KEY, language="en")
    log = tmp_path / "up.log"
    environment = {**os.environ, **settings.environment()}
    words = [sys.executable, "-m", "servers", "up", "--role", "models"]
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=REPO, env=environment, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 200
        while "Ctrl-C" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        said = log.read_text()
        url = f"http://{own}:{settings.ports.pool}"
        assert f"pool: {url}" in said
        assert not any(word in said for word in ("bridge", "Prefect", "prefect", "✗")), said
        assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 401
        seen = {reach.service: reach for reach in matrix(settings)}
        assert (seen["pool"].state, seen["pool"].address) == ("ok", f"{own}:{settings.ports.pool}")
        assert seen["pool"].version and seen["pool"].latency_ms is not None
        assert {seen[name].state for name in ("api", "mcp", "ui", "speech", "bridge", "prefect")} == {
            "silent"
        }
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0
