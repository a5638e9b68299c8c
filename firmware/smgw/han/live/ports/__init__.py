"""TCP ports for programs of the house: telegrams as a P1 port sends them, and small answers over HTTP.

They have neither a login nor encryption, because the programs that read them know neither. Each is off by default, and
answers only addresses of private networks.
"""
