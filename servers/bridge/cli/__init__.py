"""Commands of `capibara6` that call the bridge over HTTP."""
