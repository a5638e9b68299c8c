"""IEC 62056-21: sign-on, change of the baud rate, read-out. Octets in, events out."""
