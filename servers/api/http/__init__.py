"""The agent API's HTTP surface: OpenAI's wire, webhooks, what web forms leave."""
