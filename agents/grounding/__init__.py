"""Grounding: what a sentence claims, which passage supports it, how it is shown. No model is asked."""
