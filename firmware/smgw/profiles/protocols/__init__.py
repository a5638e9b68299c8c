"""The protocols: one module each, named like the protocol (`sml_push` for "sml-push"), with its entry as PROTOCOL.

Nothing else in the product lists protocols. A new one is a new module here; another folder may be added to `__path__`.
"""

from smgw.profiles.entries import Entries
from smgw.profiles.protocol import Protocol

_entries: Entries[Protocol] = Entries(__name__, __path__, "PROTOCOL")
names = _entries.names
entry = _entries.entry
every = _entries.every
