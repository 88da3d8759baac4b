"""The pool as an Ollama server: its clients use our models unchanged."""
