"""HTTP: the server, its listeners, access control, and the interfaces for gateways and programs."""
