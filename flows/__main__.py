"""`python -m flows …`: what `capibara6 flows` and the supervisor start."""

from flows.orchestration.cli import app

app(prog_name="capibara6 flows")
