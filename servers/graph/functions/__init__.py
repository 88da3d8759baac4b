"""nGQL's built-in functions: plain Python over values, gathered by name in `registry`."""
