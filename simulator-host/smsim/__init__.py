"""smsim: meters for the testbed. Registers move by load profiles; SML goes out on serial lines, ptys and TCP.

Runs on a PC, never on the gateway. Of the gateway it imports only the rooms that both sides share: cosem, sml, ports.
"""

__version__ = "0.1.0"
