-- wan.db from schema version 2 to 3: pseudonyms. Nothing of these tables leaves the gateway but the names and numbers
-- made from them.
-- A device of an EMP that gets it under pseudonyms. All its pseudonyms are made from the secret.
CREATE TABLE pseudonym (
  emp      TEXT    NOT NULL,
  meter    TEXT    NOT NULL,
  device   BLOB    NOT NULL,
  secret   BLOB    NOT NULL,
  store_id TEXT    NOT NULL,   -- rows of this store up to the record `settled` are settled, and their numbers forgotten
  settled  INTEGER NOT NULL,
  PRIMARY KEY (emp, meter, device)
) WITHOUT ROWID;

-- One pseudonym: a period of so many days, counted from 1970. A salvaged file has another id and gives other names.
CREATE TABLE pseudonym_period (
  emp      TEXT    NOT NULL,
  meter    TEXT    NOT NULL,
  device   BLOB    NOT NULL,
  days     INTEGER NOT NULL,
  period   INTEGER NOT NULL,
  file     TEXT    NOT NULL,   -- id of the wan.db in which the pseudonym began
  numbered INTEGER NOT NULL,   -- the newest record number under this pseudonym
  PRIMARY KEY (emp, meter, device, days, period, file)
) WITHOUT ROWID;

-- Rows that may be sent again, with the numbers they have. They are numbered in their order, without a gap.
CREATE TABLE pseudonym_run (
  emp          TEXT    NOT NULL,
  meter        TEXT    NOT NULL,
  device       BLOB    NOT NULL,
  run          INTEGER NOT NULL,
  days         INTEGER NOT NULL,
  period       INTEGER NOT NULL,
  file         TEXT    NOT NULL,
  store_id     TEXT    NOT NULL,   -- the rows' own
  first_record INTEGER NOT NULL,
  last_record  INTEGER NOT NULL,
  first_number INTEGER NOT NULL,
  steps        BLOB    NOT NULL,   -- from each record number to the next, seven bits an octet, the high bit: more follow
  PRIMARY KEY (emp, meter, device, run)
) WITHOUT ROWID;
