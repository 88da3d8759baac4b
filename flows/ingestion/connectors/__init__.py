"""Connectors: what lists and fetches documents of sites, feeds, buckets, mail boxes and WebDAV folders."""
