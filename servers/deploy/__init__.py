"""What three machines need around the platform: proxy, units, containers and rules, from the settings."""
