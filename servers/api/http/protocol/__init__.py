"""The Agent Protocol over HTTP: agents, threads, runs and store items. Each file translates one of them."""
