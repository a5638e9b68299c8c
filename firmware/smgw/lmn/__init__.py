"""Readers: one for each meter profile. Each drives a protocol over a port and yields captures."""
