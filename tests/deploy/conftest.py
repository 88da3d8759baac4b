"""The settings of three machines, and their files."""

from pathlib import Path

import pytest

from servers.deploy.plan import KINDS, plan
from servers.deploy.render import render
from servers.deploy.target import Target
from tests.conftest import settings_in
from tools.settings import Settings

HOSTS = {"services": "10.0.0.1", "models": "10.0.0.2", "rag": "10.0.0.3"}
SECRET = "not-for-files"
TARGET = Target(prefix=Path(__file__).parents[2], user="root")


@pytest.fixture
def three(tmp_path: Path) -> Settings:
    return settings_in(
        tmp_path / "home", hosts=HOSTS, names=("chat.example.org",), api_key=SECRET, host="0.0.0.0"
    )


@pytest.fixture
def rendered(three: Settings, tmp_path: Path) -> Path:
    """Everything that `deploy all` writes."""
    out = tmp_path / "out"
    for kind in KINDS:
        render(plan(kind, three, TARGET), out)
    return out
