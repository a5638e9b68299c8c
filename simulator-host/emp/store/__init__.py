"""What the head-end stores: every row once, in one SQLite file with one writer and any number of readers."""
