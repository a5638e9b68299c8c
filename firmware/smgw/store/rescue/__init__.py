"""Reads the intact rows of a damaged file."""
