"""Optical character recognition: what stands on pictures and scanned pages, in Spanish and English."""
