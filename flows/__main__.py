"""`python -m flows …`: what `capibara6 flows`, `capibara6 sources` and the supervisor start."""

import sys

from flows.orchestration.cli import app
from flows.orchestration.source_commands import app as sources

if sys.argv[1:2] == ["sources"]:
    sources(sys.argv[2:], prog_name="capibara6 sources")
else:
    app(prog_name="capibara6 flows")
