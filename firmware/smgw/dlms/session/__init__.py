"""Associations: states of both sides, and the client's side."""
