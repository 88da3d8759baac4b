"""The agent API (:5000): OpenAI's wire in front of the agents."""
