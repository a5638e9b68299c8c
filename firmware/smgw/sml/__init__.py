"""SML, the Smart Message Language (BSI TR-03109-1 Annex IV b; DIN VDE 0418-63-9): octets in, events out.

From the lowest module up: `transport` (frames), `tlv` (typed values), `messages`, `file` (the messages of one frame),
`telegram` (octets to telegrams), then `client` and `server` sessions. `habits` corrects faults of real meters.
No socket, no clock, no sleep.
"""
