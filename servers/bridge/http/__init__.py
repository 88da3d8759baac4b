"""The bridge's HTTP surface: translation between requests and the rooms that do the work."""
