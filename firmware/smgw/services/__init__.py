"""The mains: the only places that wire rooms together. One module a process."""
