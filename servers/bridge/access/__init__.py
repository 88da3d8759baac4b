"""Access to the bridge: authentication, API keys, rate limits, the audit log."""
