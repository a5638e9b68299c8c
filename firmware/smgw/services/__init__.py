"""The daemons, one module for each process: the only places that wire rooms together."""
