"""Every HTTP service in one process: `python -m tests.security.services`. They share its imports and log."""

import signal
import threading
from contextlib import ExitStack

from servers.api.main import build_app as build_api
from servers.bridge.main import build_app as build_bridge
from servers.mcp.main import build_app as build_mcp
from servers.pool.main import build_app as build_pool
from servers.speech.main import build_app as build_speech
from tests.serving import serving
from tools.log import configure
from tools.settings import load_settings

BUILDERS = {
    "bridge": build_bridge,
    "pool": build_pool,
    "speech": build_speech,
    "api": build_api,
    "mcp": build_mcp,
}


def main() -> None:
    """Serve until SIGTERM."""
    settings, told = load_settings(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    configure("services", level=settings.log_level)
    with ExitStack() as stack:
        for name, build in BUILDERS.items():
            stack.enter_context(serving(build(settings), getattr(settings.ports, name)))
        told.wait()


if __name__ == "__main__":
    main()
