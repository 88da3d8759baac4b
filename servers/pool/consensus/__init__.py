"""One answer from several models: cascade, vote, best of, synthesis."""
