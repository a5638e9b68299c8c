"""TR-03109-1 Annex II as rules: URI tree, verbs, headers, media types, filters and status codes. No server, no XML.

Server and client, gateway and head-end follow the same rules. Each adds its own handling of a resource.
"""
