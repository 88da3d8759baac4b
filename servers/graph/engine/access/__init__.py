"""Access to vertices and edges: the reader, names and values of properties, index seeks, start vertices."""
