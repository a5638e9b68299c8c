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
