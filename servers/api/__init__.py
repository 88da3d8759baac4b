"""The agent API (:5000): OpenAI's chat completions and the Agent Protocol in front of the agents."""
