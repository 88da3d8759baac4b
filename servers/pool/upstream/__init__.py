"""The wires to engines: connections, OpenAI's and Ollama's formats, circuit breaker, deadlines."""
