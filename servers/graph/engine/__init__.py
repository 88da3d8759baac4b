"""Planning and running statements: names are resolved and refused first, then closures run over rows."""
