"""MATCH: patterns sought, walked and bound; WITH, UNWIND and RETURN over what they bind."""
