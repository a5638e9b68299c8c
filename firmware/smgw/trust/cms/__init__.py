"""Sealed messages: SignedData(AuthEnvelopedData([CompressedData](payload))), by TR-03109-1 and TR-03116-3.

`message` seals and opens. `signed`, `enveloped` and `compressed` are one layer each, `content` has the two suites,
`der` reads and writes the octets, `replays` recognizes a message that comes a second time.

The signature is outside. So whoever opens a message first knows who sealed it, and only then uses a private key.
But a signer can sign the envelope of somebody else. Compare the signer with the gateway that the payload names.
"""
