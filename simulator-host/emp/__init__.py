"""A head-end for a field trial: receives the documents of gateways, stores each row once, shows readings."""

__version__ = "0.1.0"

#: Of days and times on pages, if a person chooses no other.
DEFAULT_ZONE = "Europe/Berlin"
