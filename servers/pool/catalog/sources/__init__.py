"""Where a model may come from, and what can be known of it before it is loaded."""
