"""Meters with a DSMR P1 port."""
