"""The store: one SQLite file per writing process, opened read-only by the others.

Each writer's files lie in a directory of its own, owner its user, group `smgw`, mode 2750 (setgid, so that new files
belong to the group). The others search it and read `<name>`, `<name>-wal` and `<name>-shm`, which are made 0640; they
can neither write, remove nor forge a file there. -wal and -shm stay when the writer ends: without them nobody else can
read, and a missing lmn.db-wal counts as lost rows. Never copy, restore or open such a file with other tools in service.
"""
