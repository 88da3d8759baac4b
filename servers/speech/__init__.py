"""The speech server (:5001): text in, speech out. Knows voices and sound, nothing of agents or knowledge."""
