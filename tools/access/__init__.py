"""Who is asking and by which names: principals and their tokens, the installation's secrets, host names."""
