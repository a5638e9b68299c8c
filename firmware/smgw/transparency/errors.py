"""The error of this room."""

from smgw.errors import SmgwError


class TransparencyError(SmgwError):
    """A file of AR 2418-6 cannot be written or read. The text names the element and what would be right."""
