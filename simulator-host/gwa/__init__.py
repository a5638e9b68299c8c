"""What a gateway administrator (GWA) of a field trial runs: so far, the time for its gateways."""

__version__ = "0.1.0"
