"""The store of the head-end: every row once, in one SQLite file with one writer and any number of readers."""
