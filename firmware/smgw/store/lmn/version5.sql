-- lmn.db, new in schema version 5: captures of a damaged file are copied behind, while new ones are stored. See salvage.py.

-- Damaged files beside this one whose captures are still to be copied into this one, in the order of their rows. A row
-- is removed when its file is copied. Captures with numbers above `frontier` and up to `last` may be incomplete: no reader
-- delivers them. Later ones wait until they are complete, unless they are released.
CREATE TABLE salvage (
  id              INTEGER PRIMARY KEY,
  file            TEXT    NOT NULL,  -- the name of the damaged file
  version         INTEGER NOT NULL,  -- its schema version
  older_store     INTEGER,           -- word: the identity of its rows
  phase           INTEGER NOT NULL,  -- see Phase in queued.py
  next            INTEGER NOT NULL,  -- the number, or the page, to go on with
  high            INTEGER NOT NULL,  -- the largest number that SQLite found
  last            INTEGER NOT NULL,  -- the largest number that a row of the file may have: new captures are above it
  hole            INTEGER,           -- the smallest number that SQLite could not read
  frontier        INTEGER NOT NULL,  -- captures up to this number are complete: no row will come before it
  captures        INTEGER NOT NULL,  -- how many were copied
  newest_valid_us INTEGER NOT NULL,  -- the newest time in the file that was valid
  released        INTEGER NOT NULL   -- 1: later captures do not wait; those of the file come after them
);

-- Words and registers of a damaged file that were found after the same ones had got other numbers here.
CREATE TABLE salvage_alias (
  kind  INTEGER NOT NULL,  -- 1 word, 2 register
  found INTEGER NOT NULL,  -- the number in the damaged file
  here  INTEGER NOT NULL,
  PRIMARY KEY (kind, found)
) WITHOUT ROWID;
