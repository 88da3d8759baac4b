"""What only `servers/pool/routing/train.py` needs; the pool never imports it."""
