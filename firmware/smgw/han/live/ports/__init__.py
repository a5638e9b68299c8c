"""What programs of the house read at TCP ports: telegrams as a P1 port sends them, and small answers over HTTP.

The servers are in `han/server/house_ports.py`. They have neither a login nor encryption, because the programs that read
them know neither. Each is off by default, and answers only addresses of private networks.
"""
