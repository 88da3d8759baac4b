"""What the `capibara6` command does, one file a command."""
