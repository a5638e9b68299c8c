-- lmn.db as of schema version 1; version2.sql and version3.sql have what changed since. Times are microseconds since 1970-01-01 UTC unless the name says otherwise.
-- Interned words, so that a capture row stays narrow. Kinds: 1 boot id, 2 meter name, 3 device id, 4 older store id.
CREATE TABLE word (
  id     INTEGER PRIMARY KEY,
  kind   INTEGER NOT NULL,
  octets BLOB    NOT NULL,
  UNIQUE (kind, octets)
);

CREATE TABLE profile_version (
  id      INTEGER PRIMARY KEY,
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  sha256  BLOB NOT NULL,
  content TEXT NOT NULL,
  UNIQUE (kind, name, sha256)
);

-- One row a telegram or poll. `number` is the record number; AUTOINCREMENT: never given twice.
CREATE TABLE capture (
  number          INTEGER PRIMARY KEY AUTOINCREMENT,
  meter           INTEGER NOT NULL,  -- words
  device          INTEGER NOT NULL,
  boot            INTEGER NOT NULL,
  boottime_ns     INTEGER NOT NULL,
  utc_us          INTEGER NOT NULL,  -- capture time
  dispersion_us   INTEGER NOT NULL,
  clock_state     INTEGER NOT NULL,
  meter_time_kind INTEGER,           -- 1 secIndex, 2 timestamp, 3 local timestamp, 4 DLMS date-time
  meter_time      BLOB,
  profile_version INTEGER,
  target_time_us  INTEGER,           -- NULL: live-rate
  gateway_status  INTEGER NOT NULL,
  list            INTEGER NOT NULL,  -- 1 original, 2 derived, 3 calculated, 4 daily
  origin          INTEGER NOT NULL,  -- 1 measured, 2 history, 3 missing
  older_store     INTEGER,           -- salvaged rows: the identity they were recorded under
  older_number    INTEGER
);
CREATE INDEX capture_meter ON capture (meter);
CREATE INDEX capture_live  ON capture (list) WHERE target_time_us IS NULL;
CREATE INDEX capture_grid  ON capture (list) WHERE target_time_us IS NOT NULL;
CREATE UNIQUE INDEX capture_older ON capture (older_store, older_number) WHERE older_store IS NOT NULL;

-- A changed scaler or unit is a new row, never an update.
CREATE TABLE register (
  id        INTEGER PRIMARY KEY,
  meter     INTEGER NOT NULL,
  device    INTEGER NOT NULL,
  class_id  INTEGER NOT NULL,
  obis      BLOB    NOT NULL,
  attribute INTEGER NOT NULL,
  scaler    INTEGER NOT NULL,
  unit      INTEGER NOT NULL,
  UNIQUE (meter, device, class_id, obis, attribute, scaler, unit)
);

-- One row a value. Its origin, its gateway status and its times are those of its capture; target time and list stand
-- here again because one register has one value in a slot. Type numbers are COSEM's (A-XDR tags).
CREATE TABLE reading (
  capture        INTEGER NOT NULL,
  place          INTEGER NOT NULL,   -- order in the telegram
  register       INTEGER NOT NULL,
  type           INTEGER NOT NULL,
  value,
  raw_type       INTEGER,            -- where a habit of the meter was corrected: what the wire said
  raw,
  status_type    INTEGER,            -- status as the meter sent it
  status,
  target_time_us INTEGER,
  list           INTEGER NOT NULL,
  PRIMARY KEY (capture, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX reading_slot ON reading (register, list, target_time_us) WHERE target_time_us IS NOT NULL;

CREATE TABLE meter_state (
  meter            TEXT PRIMARY KEY,
  device           BLOB,
  state            TEXT    NOT NULL,
  since_us         INTEGER NOT NULL,
  last_capture_us  INTEGER,
  last_clock_state INTEGER NOT NULL,
  good             INTEGER NOT NULL,
  refused          INTEGER NOT NULL,
  note             TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE clock_state (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id       TEXT    NOT NULL,
  boottime_ns   INTEGER NOT NULL,
  offset_us     INTEGER NOT NULL,
  dispersion_us INTEGER NOT NULL,
  state         INTEGER NOT NULL
);

CREATE TABLE object_list (
  device   BLOB NOT NULL,
  firmware BLOB NOT NULL,
  objects  BLOB NOT NULL,
  PRIMARY KEY (device, firmware)
);
