"""A head-end for a field trial: receives the documents of gateways, stores each row once, shows readings."""

__version__ = "0.1.0"
