"""M-Bus by radio (EN 13757-4, OMS volume 2), sans-IO.

octets of a stick -> `sticks` -> `envelope` (who sends, how it is sealed) -> `opening` (records) -> `mbus.readings`.
"""
