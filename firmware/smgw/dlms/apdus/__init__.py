"""APDUs as values, and their fields: read with a `Cursor`, written by `encode`."""
