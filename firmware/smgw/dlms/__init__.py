"""DLMS/COSEM (IEC 62056-5-3, -6-2): octets in, events out. No socket, no clock, no sleep.

Ground floor first: `tags`, `axdr` (data as octets), `date_time`, `selection`, `rows` (a profile's buffer, fast); then
`cursor`, `descriptors`, `results`; then the APDUs as values, `get`, `set`, `action`, `notify`, `exception`, `initiate`,
`block` and `envelope`, and `apdu`, which tells them apart. They carry A-XDR octets and do not look into them.

Upon these `security`, `acse` and the sessions `client` and `server`; and the way of pushes, which need no session:
`push` (blocks, ciphers), `push_list` and `push_tables` (what each maker lists, and leaves out). What carries APDUs is
`hdlc`, `wrapper` or, for pushes, `mbus`.
"""
