"""MATCH: path patterns planned, traversed and bound; WITH, UNWIND and RETURN over what they bind."""
