"""Pushes of meters."""
