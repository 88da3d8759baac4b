"""What a web client reads of the platform: where everything is, and nothing that is secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from servers.api.http.web_client import web_config
from servers.api.main import build_app
from tests.agents.peers import Knobs
from tests.ports import free_port
from tests.serving import serving
from tools.settings import Settings

ORIGIN = "https://app.example.org"
KEY = "a-key-that-no-page-may-see"


@pytest.fixture(scope="module")
def keyed(peers: tuple[Settings, Knobs], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running API with a key, to which pages of another origin may come."""
    home: Path = tmp_path_factory.mktemp("web") / "home"
    ports = peers[0].ports.model_copy(update={"api": free_port()})
    changes = {"home": home, "ports": ports, "api_key": SecretStr(KEY), "origins": (ORIGIN,)}
    settings = Settings.model_validate({**dict(peers[0]), **changes})
    with serving(build_app(settings), ports.api):
        yield settings


def read(answer: httpx.Response) -> dict[str, Any]:
    """The object that the script sets."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/javascript")
    before, _, rest = answer.text.partition(" = ")
    assert before == "window.CAPIBARA6_CONFIG"
    return json.loads(rest.removesuffix(";\n"))


def test_a_page_learns_where_everything_is_before_anybody_signs_in(keyed: Settings) -> None:
    with httpx.Client(base_url=keyed.api_url, trust_env=False) as client:
        answer = client.get("/config.js")
        config = read(answer)
        asked = client.get(config["endpoints"]["models"])
    assert KEY not in answer.text
    assert asked.status_code == 401, "only the script is open"
    assert config["features"]["signIn"]
    assert config["endpoints"]["chat"] == f"{keyed.api_url}/v1/chat/completions"


def test_a_page_of_a_named_origin_may_read_it_and_another_may_not(keyed: Settings) -> None:
    url = f"{keyed.api_url}/config.js"
    invited = httpx.get(url, headers={"origin": ORIGIN}, trust_env=False)
    assert invited.headers["access-control-allow-origin"] == ORIGIN
    assert httpx.get(url, headers={"origin": "https://evil.example.net"}, trust_env=False).status_code == 403


def test_behind_the_proxy_everything_is_below_the_public_name(settings: Settings) -> None:
    public = settings.model_copy(update={"names": ("chat.example.org",)})
    endpoints = web_config(public, "http://127.0.0.1:5000/")["endpoints"]
    assert {url.startswith("https://chat.example.org") for url in endpoints.values()} == {True}
    assert endpoints["mcp"] == "https://chat.example.org/mcp"
