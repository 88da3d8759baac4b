"""People at the page: who visits, sign-in, sessions, a provider's accounts, what of Gradio is let through."""
