"""The model pool: one OpenAI- and Ollama-compatible HTTP API for models that are loaded when asked."""
