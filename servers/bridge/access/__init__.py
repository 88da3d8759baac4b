"""Who may call the bridge, how much, and what is written down about it."""
