"""Reading elements: vertices, edges, their properties, and where a traversal starts."""
