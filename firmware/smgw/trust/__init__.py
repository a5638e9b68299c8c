"""Certificates, TLS contexts, CMS and private keys, as the SM-PKI has them (BSI TR-03109-4, TR-03116-3).

`names` says who a certificate is for, `certificate` reads one, `chain` decides whether to believe a peer, `tls` makes
the contexts, `request` asks a certification authority for certificates. `cms` seals documents, `keys` holds what must
stay secret. A module is imported by whoever needs it: this room loads nothing by itself.
"""
