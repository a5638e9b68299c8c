"""What the files of all writers have in common: opened, migrated, locked, checked, written and read."""
