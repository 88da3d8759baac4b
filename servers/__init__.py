"""The platform's processes: the `capibara6` command, the supervisor and one package per service."""
