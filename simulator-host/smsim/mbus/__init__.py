"""Meters behind one level converter of an M-Bus."""
