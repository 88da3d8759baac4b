"""The agent API's HTTP routes: OpenAI's API, the Agent Protocol, webhooks, submissions of web pages."""
