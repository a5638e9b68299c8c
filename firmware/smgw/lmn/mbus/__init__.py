"""Meters on an M-Bus by wire."""
