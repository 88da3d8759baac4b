"""The platform on one machine: embedded stores, services and their supervisor."""
