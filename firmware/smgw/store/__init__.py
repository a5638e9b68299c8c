"""The store: one SQLite file per writing process, opened read-only by the others.

The state directory belongs to the writers' users, group `smgw`, mode 2770 or 0750 with the group set: a reader needs
search (x) on the directory and read on `<name>`, `<name>-wal` and `<name>-shm`, which are created 0640.
"""
