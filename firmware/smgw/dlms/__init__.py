"""DLMS/COSEM (IEC 62056-5-3, -6-2): octets in, events out. No socket, no clock, no sleep.

Ground floor first; a folder imports only what stands above it here:

folder      holds                                                                        begin with
data        A-XDR: COSEM data as octets, and the rows of a profile, fast                 `__init__`, `rows`
carriers    what carries APDUs beside HDLC: the wrapper of TCP and UDP, M-Bus            `wrapper`
apdus       APDUs as values; they carry A-XDR octets and do not look into them           `apdu`, `get`, `acse`
security    keys, ciphering, authentication; `suites`, `ciphering` and `signatures`      `suites`, `hls`
            bring `cryptography`, and are imported only for a meter that needs them
push        pushes, which need no session, and what each maker lists in them             `reader`, `lists`
session     the client's side of an association, and what both sides share               `client`
meter       the meter's side: our simulator stands on it                                 `server`

`errors` stands between `apdus` and `security`.
"""
