"""The speech server (:5001): text in, WAV out. Knows voices and sound, nothing about agents or knowledge."""
