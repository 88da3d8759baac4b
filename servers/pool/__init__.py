"""The model pool (:8082): the models behind one OpenAI and Ollama door."""
