"""TR-03109-1 Annex II as rules: URI tree, verbs, headers, media types, filters and status codes. No server, no XML.

Server and client, gateway and head-end obey the same rules; each adds what it does with a resource.
"""
