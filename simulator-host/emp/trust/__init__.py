"""The head-end in the PKI: its own certificates and keys, gateways' TLS, sealed documents, expiries, people's TLS."""
