"""The data model of all three networks: OBIS codes, units, device ids, data, status word, captures and readings.

Nothing here reads a file, a port or a clock.
"""
