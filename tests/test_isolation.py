"""No test may reach a running platform, neither from this process nor from one that it starts."""

import asyncio
import json
import os
import socket
import subprocess
import sys

import pytest

from tests.isolation import DEFAULT_PORTS, NOWHERE, default_home, is_default, reached
from tests.ports import free_ports
from tools.settings import Settings, load_settings

SHOW = "from tools.settings import load_settings; print(load_settings().model_dump_json())"


@pytest.mark.parametrize("port", sorted(DEFAULT_PORTS))
def test_a_default_port_can_not_be_reached_or_bound_from_a_test(port: int) -> None:
    with socket.socket() as probe:
        for use in (probe.connect, probe.connect_ex, probe.bind):
            with pytest.raises(AssertionError, match="default port"):
                use(("127.0.0.1", port))
    reached.clear()


async def test_nor_through_asyncio() -> None:
    with pytest.raises(AssertionError, match="default port"):
        await asyncio.open_connection("127.0.0.1", 5_000)
    reached.clear()


def test_a_process_that_inherits_the_environment_finds_nobody(tmp_path) -> None:
    shown = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout
    found = json.loads(shown)
    assert set(found["ports"].values()) == {NOWHERE}
    assert (found["home"], found["ollama_url"]) == (str(default_home()), f"http://127.0.0.1:{NOWHERE}")


def test_settings_that_name_no_port_lead_nowhere() -> None:
    assert set(load_settings().ports.model_dump().values()) == {NOWHERE}


def test_settings_of_a_test_overrule_the_environment(settings: Settings) -> None:
    code = f"import os; os.environ.update({settings.environment()!r}); {SHOW}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(shown)["ports"] == settings.ports.model_dump()
    assert not os.environ.keys() & {"CAPIBARA6_API_KEY", "VLLM_URL"}


def test_a_free_port_is_never_a_default_one() -> None:
    assert not any(is_default(("127.0.0.1", port)) for port in free_ports(500))
