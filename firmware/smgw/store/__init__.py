"""The store: one SQLite file per writing process, opened read-only by the others.

Each writer's files are in a directory of its own: owner its user, group `smgw`, mode 2750 (setgid, so that new files
belong to the group). The other processes read `<name>`, `<name>-wal` and `<name>-shm`, which have mode 0640. They
cannot write, remove or forge a file there. The files -wal and -shm stay when the writer ends: without them no other
user can read, and a missing lmn.db-wal counts as lost rows. Never copy, restore or open such a file with other tools
while the service runs.
"""
