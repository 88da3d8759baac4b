"""OpenAI's wire: each path of its API as this platform answers it, and what it takes of each request."""
