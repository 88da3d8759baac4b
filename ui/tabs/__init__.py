"""The pages beside the chat: each a `Tab`, drawn as HTML from what its services say."""
