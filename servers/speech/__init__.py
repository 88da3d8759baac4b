"""The speech server (:5001): text in, WAV out."""
