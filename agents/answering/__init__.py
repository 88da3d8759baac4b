"""From a model's stream to an answer that is safe to show, with its citations."""
