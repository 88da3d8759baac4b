"""nGQL's functions: plain Python over values, gathered in one table."""
