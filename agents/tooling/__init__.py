"""Tool calls: made, allowed or refused, and done at most once."""
