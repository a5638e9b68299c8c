"""The meter's side of an association."""
