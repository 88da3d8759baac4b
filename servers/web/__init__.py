"""What every HTTP service shares: the app, its middleware, disconnects, server-sent events, serving."""
