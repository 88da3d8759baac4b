"""The catalogue of models and its options; where weights come from."""
