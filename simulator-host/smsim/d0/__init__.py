"""Meters with D0 (IEC 62056-21): asked in modes A, B and C, or pushing."""
