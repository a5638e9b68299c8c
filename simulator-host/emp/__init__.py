"""A head-end for a field trial: takes the documents of many gateways, keeps every row once, and shows them."""

__version__ = "0.1.0"
