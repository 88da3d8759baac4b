"""EmbedderRegistry: texts to unit vectors, in this process or over OpenAI's wire."""
