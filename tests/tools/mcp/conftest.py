"""The small server of others, on a free port."""

from collections.abc import Iterator

import pytest

from tests.ports import free_ports
from tests.serving import serving
from tests.tools.mcp.server import Asked, build


@pytest.fixture(scope="module")
def asked() -> Asked:
    """What the server was asked."""
    return Asked()


@pytest.fixture(scope="module")
def url(asked: Asked) -> Iterator[str]:
    """Where the server answers."""
    (port,) = free_ports(1)
    with serving(build(asked).streamable_http_app(), port):
        yield f"http://127.0.0.1:{port}/mcp"
