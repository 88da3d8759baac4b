"""Coqui's voices: models by language, their process in another environment, voices cloned from recordings."""
