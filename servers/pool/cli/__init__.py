"""Commands of `capibara6` that speak to the pool."""
