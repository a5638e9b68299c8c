-- The log book of one process. Readers merge the books of all stores.
CREATE TABLE log (
  book        TEXT    NOT NULL,
  number      INTEGER NOT NULL,  -- gapless in its book, from 1
  event       TEXT    NOT NULL,
  level       INTEGER NOT NULL,
  outcome     INTEGER NOT NULL,
  subject     TEXT    NOT NULL,
  utc_us      INTEGER NOT NULL,
  clock_state INTEGER NOT NULL,
  boot_id     TEXT    NOT NULL,
  boottime_ns INTEGER NOT NULL,
  hash        BLOB    NOT NULL,  -- SHA-256 over the entry before, its own hash included; 32 zero octets for the first
  PRIMARY KEY (book, number)
) WITHOUT ROWID;

CREATE TABLE counts (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE store (
  store_id BLOB NOT NULL  -- 16 random octets, made with the file
);
