"""Meters with D0 (IEC 62056-21)."""
