-- lmn.db, new in schema version 6.
-- What an entry of a log book is about, and whom it concerns or who did it. Entries of earlier versions have neither.
ALTER TABLE log ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE log ADD COLUMN user     TEXT NOT NULL DEFAULT '';

-- What an evaluation remembers: written in the transaction of the readings that changed it. See metering/evaluations.py.
CREATE TABLE evaluation_state (
  name    TEXT    PRIMARY KEY,
  number  INTEGER NOT NULL,  -- counts its versions: each has a device id of its own
  version INTEGER NOT NULL,  -- profile_version; 0: ended
  device  BLOB    NOT NULL,  -- the id of its derived registers
  octets  BLOB    NOT NULL   -- JSON
) WITHOUT ROWID;
