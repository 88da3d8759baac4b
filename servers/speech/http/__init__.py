"""The speech server's wires: ours, OpenAI's and Coqui's. They choose voice and format, and make no sound."""
