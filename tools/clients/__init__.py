"""One file per service we call; each translates foreign errors once into `tools.errors`."""
