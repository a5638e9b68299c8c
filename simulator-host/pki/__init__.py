"""A PKI for a field trial, with the certificate profile of the SM-PKI (TR-03109-4 annex A).

It is not for real customers.
"""

__version__ = "0.1.0"
