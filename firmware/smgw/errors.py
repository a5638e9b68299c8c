"""The errors every room shares. Each carries fields; its text is built from them."""


class SmgwError(Exception):
    """Anything this program says to a person: what was wrong, where, and what would be right."""


class LocalProtocolError(SmgwError):
    """Our own caller asked a protocol for something it must not do."""


class RemoteProtocolError(SmgwError):
    """The peer sent something its protocol does not allow."""
