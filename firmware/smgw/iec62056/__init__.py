"""IEC 62056-21: sign-on and change of the baud rate, data sets, DSMR P1. Octets in, events out.

Nothing is imported here: a gateway with a P1 port has no use for the sign-on.
"""
