"""A model reads passages: the question, what is kept of its answer, and the tokens that it may cost."""
