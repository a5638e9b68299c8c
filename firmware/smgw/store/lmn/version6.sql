-- lmn.db, new in schema version 6.
-- What an entry of a log book is about, and whom it concerns or who did it. Entries of earlier versions have neither.
ALTER TABLE log ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE log ADD COLUMN user     TEXT NOT NULL DEFAULT '';
