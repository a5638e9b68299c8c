-- lmn.db, new in schema version 4: what a commit writes, and what a query reads, does not grow with the number of captures.
-- Numbers of captures are divided into blocks of 1024. A row says what a source has in a finished block. The newest block
-- has no valid row here: it is counted by reading its captures. See blocks.py.
CREATE TABLE source_block (
  meter     INTEGER NOT NULL,  -- words
  device    INTEGER NOT NULL,
  block     INTEGER NOT NULL,  -- number / 1024
  captures  INTEGER NOT NULL,
  live      INTEGER NOT NULL,  -- of these: live-rate
  daily     INTEGER NOT NULL,  -- of these: of list 4
  history   INTEGER NOT NULL,  -- of these: rows of load profiles (origin 2)
  valid_us  INTEGER,           -- the oldest capture time with a valid clock
  target_us INTEGER,           -- the newest target time on the grid
  PRIMARY KEY (meter, device, block)
) WITHOUT ROWID;

-- The same of a finished span, so that a sum over millions of captures reads few rows. A span of level 1 has 32 blocks,
-- one of level 2 has 32 spans of level 1, one of level 3 has 32 of level 2.
CREATE TABLE source_span (
  meter     INTEGER NOT NULL,
  device    INTEGER NOT NULL,
  level     INTEGER NOT NULL,
  span      INTEGER NOT NULL,
  captures  INTEGER NOT NULL,
  live      INTEGER NOT NULL,
  target_us INTEGER,
  PRIMARY KEY (meter, device, level, span)
) WITHOUT ROWID;

-- Blocks from this one on are counted in source_block. Older ones, of a file of an earlier version, are counted behind.
-- Then the indexes capture_meter, capture_source, capture_live and capture_grid are removed.
CREATE TABLE counted (since_block INTEGER NOT NULL);
INSERT INTO counted SELECT coalesce(max(number), 0) / 1024 FROM capture;

-- The captures of a source for one point of the grid: the newest one that has a register holds its slot. New entries come
-- at the end, so a commit writes one page. Rows of earlier versions are in the index reading_slot instead; rows of this
-- version have no target time in `reading`.
CREATE TABLE slot (
  target_time_us INTEGER NOT NULL,
  meter          INTEGER NOT NULL,
  device         INTEGER NOT NULL,
  list           INTEGER NOT NULL,
  capture        INTEGER NOT NULL,
  PRIMARY KEY (target_time_us, meter, device, list, capture)
) WITHOUT ROWID;
