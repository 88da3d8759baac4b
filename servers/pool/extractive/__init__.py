"""The model without weights: it answers with sentences of the given passages."""
