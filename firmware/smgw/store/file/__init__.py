"""Code that all database files share: open, migrate, lock, check, write and read."""
