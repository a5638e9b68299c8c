-- wan.db from schema version 3 to 4: log books, signed heads, signed values.
-- What an entry of a log book is about, and whom it concerns or who did it. Entries of earlier versions have neither.
ALTER TABLE log ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE log ADD COLUMN user     TEXT NOT NULL DEFAULT '';

-- The newest entries of log books of both databases, signed from time to time; see log_head.py.
CREATE TABLE log_head (
  store_id  TEXT    NOT NULL,  -- of the file with the book
  book      TEXT    NOT NULL,
  number    INTEGER NOT NULL,  -- of the entry
  digest    BLOB    NOT NULL,  -- its hash
  utc_us    INTEGER NOT NULL,
  signer    BLOB    NOT NULL,  -- SHA-256 of the certificate SIG
  signature BLOB    NOT NULL,
  PRIMARY KEY (store_id, book, number)
) WITHOUT ROWID;

-- Signatures of values that left, or are to leave: made once, so that a repeated delivery is the same. See
-- signatures.py. The newest 100,000 stay.
CREATE TABLE value_signature (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id TEXT    NOT NULL,  -- of the record
  number   INTEGER NOT NULL,
  device   BLOB    NOT NULL,  -- the name under which it is delivered: it is signed too
  name     BLOB    NOT NULL,  -- class, OBIS code and attribute of the value
  signer   BLOB    NOT NULL,  -- SHA-256 of the certificate SIG
  octets   BLOB    NOT NULL,  -- empty: the row left without a signature, since there was no key
  UNIQUE (store_id, number, device, name)
);

-- How far the log books of consumers tell what a cursor says: they get an entry from time to time.
CREATE TABLE logged_cursor (
  emp          TEXT    NOT NULL,
  store_id     TEXT    NOT NULL,
  meter        TEXT    NOT NULL,
  device       BLOB    NOT NULL,
  position     INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,
  PRIMARY KEY (emp, store_id, meter, device)
) WITHOUT ROWID;
INSERT INTO logged_cursor SELECT emp, store_id, meter, device, position, acknowledged FROM cursor;
