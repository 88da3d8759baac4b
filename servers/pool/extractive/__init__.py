"""The extractive model, which has no weights: it answers with sentences of the given passages."""
