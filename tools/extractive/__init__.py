"""Extractive reading: questions and passages taken apart, sentences ranked. No weights, no model."""
