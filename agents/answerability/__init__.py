"""Whether what a search found holds the answer to a question, decided before any model is asked."""
