"""The server of the HAN, on Tornado's streams: listener, TLS, limits, and the way of a request to its view.

Heads are parsed here and not by Tornado, whose releases differ in what they accept: a request has one meaning or none.
asyncio's own TLS would hold a quarter of a megabyte for each connection; Tornado's holds what is on the way.
"""
