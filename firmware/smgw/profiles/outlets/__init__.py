"""The outlets: one module each, named like the outlet (`cosem_xml` for "cosem-xml"), with its entry as OUTLET.

Nothing else in the product lists outlets. A new one is a new module here; another folder may be appended to `__path__`.
"""

from smgw.profiles.entries import Entries
from smgw.profiles.outlet import OutletKind

_entries: Entries[OutletKind] = Entries(__name__, __path__, "OUTLET")
names = _entries.names
entry = _entries.entry
every = _entries.every
