"""HTML: pages, the grids of their tables, and what stands in Markdown."""
