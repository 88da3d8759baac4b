"""Commands of `capibara6` that speak to the bridge through its door."""
