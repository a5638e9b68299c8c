"""DLMS/COSEM: A-XDR, APDUs, association, ciphering, transfer, wrapper. Octets in, events out."""
