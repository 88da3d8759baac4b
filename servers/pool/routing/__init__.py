"""The router behind `auto`: features, classifier and policy that choose a model, and why."""
