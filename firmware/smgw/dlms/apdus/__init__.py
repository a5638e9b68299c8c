"""APDUs as values, and the fields they are made of: read with a `Cursor`, written by `encode`."""
