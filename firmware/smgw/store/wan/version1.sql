-- wan.db as of schema version 1; version2.sql has what version 2 changed. Times are microseconds since 1970-01-01 UTC.
-- How far an EMP has acknowledged a meter's rows, by position in the store with that id.
CREATE TABLE cursor (
  emp          TEXT    NOT NULL,
  store_id     TEXT    NOT NULL,
  meter        TEXT    NOT NULL,
  position     INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,   -- rows, in total
  PRIMARY KEY (emp, store_id, meter)
) WITHOUT ROWID;

-- Rows that an EMP refused for good.
CREATE TABLE set_aside (
  emp             TEXT    NOT NULL,
  store_id        TEXT    NOT NULL,  -- the file's
  position        INTEGER NOT NULL,
  meter           TEXT    NOT NULL,
  record_store_id TEXT    NOT NULL,  -- the record's own
  record_number   INTEGER NOT NULL,
  status          INTEGER NOT NULL,
  reason          TEXT    NOT NULL,
  at_us           INTEGER NOT NULL,
  requeued        INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (emp, store_id, position)
) WITHOUT ROWID;

CREATE TABLE channel (
  emp          TEXT PRIMARY KEY,
  state        TEXT    NOT NULL,
  since_us     INTEGER NOT NULL,
  last_status  INTEGER,
  detail       TEXT    NOT NULL,
  retry_at_us  INTEGER,
  last_ack_us  INTEGER
) WITHOUT ROWID;

CREATE TABLE time_sample (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  boot_id       TEXT    NOT NULL,
  boottime_ns   INTEGER NOT NULL,
  offset_us     INTEGER NOT NULL,
  dispersion_us INTEGER NOT NULL,
  source        TEXT    NOT NULL
);

-- Orders of a person at the command line; emp NULL is for all.
CREATE TABLE work_order (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  emp  TEXT,
  kind TEXT NOT NULL
);
CREATE TABLE order_taken (
  emp  TEXT PRIMARY KEY,
  last INTEGER NOT NULL
) WITHOUT ROWID;
