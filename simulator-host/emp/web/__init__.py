"""HTTP: the server with its listeners, who may ask, and the interfaces for gateways and for programs."""
