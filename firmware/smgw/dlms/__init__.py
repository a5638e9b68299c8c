"""DLMS/COSEM (IEC 62056-5-3, -6-2): octets in, events out. No socket, no clock, no sleep.

The lowest folder is first. A folder imports only folders above it in this table:

folder      holds                                                                        begin with
data        A-XDR: COSEM data as octets, and a fast reader of profile rows               `__init__`, `rows`
carriers    carriers of APDUs besides HDLC: the wrapper of TCP and UDP, M-Bus            `wrapper`
apdus       APDUs as values; they carry A-XDR octets and do not look into them           `apdu`, `get`, `acse`
security    keys, ciphering, authentication; `suites`, `ciphering` and `signatures`      `suites`, `hls`
            bring `cryptography`, and are imported only for a meter that needs them
push        pushes, which need no session, and what each maker lists in them             `reader`, `lists`
session     the client's side of an association, and code of both sides                  `client`
meter       the meter's side, for the simulator                                          `server`

`errors` is between `apdus` and `security`.
"""
