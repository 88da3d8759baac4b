"""The model pool: one OpenAI- and Ollama-shaped door to models that are loaded when asked and never stuck."""
