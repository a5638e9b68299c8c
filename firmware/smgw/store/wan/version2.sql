-- wan.db from schema version 1 to 2: a cursor belongs to a device, and what a participant answers is told in words.
ALTER TABLE cursor RENAME TO cursor_1;
CREATE TABLE cursor (
  emp          TEXT    NOT NULL,
  store_id     TEXT    NOT NULL,
  meter        TEXT    NOT NULL,
  device       BLOB    NOT NULL,
  position     INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,
  PRIMARY KEY (emp, store_id, meter, device)
) WITHOUT ROWID;
INSERT INTO cursor SELECT emp, store_id, meter, x'', position, acknowledged FROM cursor_1;
DROP TABLE cursor_1;

ALTER TABLE set_aside RENAME TO set_aside_1;
CREATE TABLE set_aside (
  emp             TEXT    NOT NULL,
  store_id        TEXT    NOT NULL,
  position        INTEGER NOT NULL,
  meter           TEXT    NOT NULL,
  device          BLOB    NOT NULL,
  record_store_id TEXT    NOT NULL,
  record_number   INTEGER NOT NULL,
  reason          TEXT    NOT NULL,
  at_us           INTEGER NOT NULL,
  requeued        INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (emp, store_id, position)
) WITHOUT ROWID;
INSERT INTO set_aside SELECT emp, store_id, position, meter, x'', record_store_id, record_number,
  CASE status WHEN 0 THEN reason ELSE rtrim('answers ' || status || ': ' || reason, ': ') END, at_us, requeued
  FROM set_aside_1;
DROP TABLE set_aside_1;

ALTER TABLE channel RENAME TO channel_1;
CREATE TABLE channel (
  emp          TEXT PRIMARY KEY,
  state        TEXT    NOT NULL,
  since_us     INTEGER NOT NULL,
  detail       TEXT    NOT NULL,
  retry_at_us  INTEGER,
  last_ack_us  INTEGER
) WITHOUT ROWID;
INSERT INTO channel SELECT emp, state, since_us, detail, retry_at_us, last_ack_us FROM channel_1
  WHERE state <> 'waiting-for-time';
DROP TABLE channel_1;
