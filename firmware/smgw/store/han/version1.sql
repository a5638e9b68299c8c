-- han.db as of schema version 1. Times are microseconds since 1970-01-01 UTC.
ALTER TABLE log ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE log ADD COLUMN user     TEXT NOT NULL DEFAULT '';

-- Who may log in. No password stands here: a hash of name, realm and password, as HTTP Digest needs it. Whoever has the
-- hash can log in with it, so the file is read by its owner and the gateway's group alone.
CREATE TABLE account (
  role       TEXT    NOT NULL,   -- con: consumer, srv: technician
  name       TEXT    NOT NULL,
  realm      TEXT    NOT NULL,   -- the gateway's id in lower case, when the password was set
  sha256     TEXT    NOT NULL,   -- hex; empty: certificates only
  md5        TEXT    NOT NULL,   -- hex, for clients that know no other; empty: certificates only
  changed_us INTEGER NOT NULL,
  PRIMARY KEY (role, name)
) WITHOUT ROWID;

-- The certificates with which an account may log in.
CREATE TABLE certificate (
  fingerprint BLOB    NOT NULL PRIMARY KEY,   -- SHA-256 of the certificate
  role        TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  der         BLOB    NOT NULL,
  added_us    INTEGER NOT NULL
) WITHOUT ROWID;
