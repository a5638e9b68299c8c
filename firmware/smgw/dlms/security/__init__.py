"""Keys, protected octets, authentication."""
