"""Keeps tests away from a running platform: no default port, no default home, none of the caller's settings.

A child process that inherits this environment reads settings which lead nowhere; in this process a hook
refuses to connect to a default port or to bind one. `make test` passes beside `make up`.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.sections import Ports

OTHERS = {"ollama": 11_434, "n8n": 5_678}
DEFAULT_PORTS = frozenset(field.default for field in Ports.model_fields.values()) | frozenset(OTHERS.values())
NOWHERE = 9
"""The port "discard" (RFC 863), below those that users may bind: nobody listens there."""
OURS = ("CAPIBARA6_", "PREFECT_")
FIRST_NAMES = ("VLLM_URL", "VLLM_MODELS", "OLLAMA_URL", "BRIDGE_API_URL", "RAG_API_URL")
"""Variables of the platform's first deployment, which settings still read."""

reached: list[str] = []
"""What this process tried to reach and must not; emptied by `watched`."""


def environment() -> dict[str, str]:
    """Settings for a process that is given none: every port leads nowhere, the home is no folder of ours."""
    return {
        "CAPIBARA6_PORTS": json.dumps(dict.fromkeys(Ports.model_fields, NOWHERE)),
        "CAPIBARA6_HOME": str(default_home()),
        "CAPIBARA6_CONFIG": os.devnull,
        "OLLAMA_URL": f"http://127.0.0.1:{NOWHERE}",
    }


def default_home() -> Path:
    """A folder that does not exist; a process that would use the default home makes it."""
    return Path(tempfile.gettempdir()) / f"capibara6-default-home-{os.getpid()}"


def isolate() -> None:
    """Put this process, and those it will start, under `environment` and the hook. There is no way back."""
    for name in [name for name in os.environ if name.startswith(OURS) or name in FIRST_NAMES]:
        del os.environ[name]
    os.environ.update(environment())
    sys.addaudithook(_refuse)


@contextmanager
def watched() -> Iterator[None]:
    """Fails at the end of the block when something in it went for a default port."""
    reached.clear()
    yield
    assert not reached, f"a test reached for a port of a running platform: {reached}"


def is_default(address: object) -> bool:
    """Whether an address of the socket module is a default port; those of Unix sockets are text."""
    return isinstance(address, Sequence) and len(address) > 1 and address[1] in DEFAULT_PORTS


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.bind") and is_default(arguments[1]):
        reached.append(f"{event} {arguments[1]}")
        raise AssertionError(f"no test may use a default port: {event} {arguments[1]}")
