-- lmn.db, new in schema version 3. Files that were made by a program of that version have the index capture_source
-- (meter, device) in place of capture_meter. Version 4 has neither, so a migration does not make it.

-- How a device behind a meter profile fares. An empty device: none is known yet, and the row speaks of the meter.
ALTER TABLE meter_state RENAME TO meter_state_2;
CREATE TABLE meter_state (
  meter            TEXT    NOT NULL,
  device           BLOB    NOT NULL,
  state            TEXT    NOT NULL,
  since_us         INTEGER NOT NULL,
  last_capture_us  INTEGER,
  last_clock_state INTEGER NOT NULL,
  good             INTEGER NOT NULL,
  refused          INTEGER NOT NULL,
  note             TEXT    NOT NULL,
  remark           TEXT    NOT NULL,  -- what is to be said of the quality of its values
  PRIMARY KEY (meter, device)
) WITHOUT ROWID;
INSERT INTO meter_state SELECT
  meter, coalesce(device, x''), state, since_us, last_capture_us, last_clock_state, good, refused, note, ''
  FROM meter_state_2;
DROP TABLE meter_state_2;

-- What a meter told once and need not be asked again, by device and firmware. Kinds: 1 object list, 2 scaler_units.
-- A meter with ever other names must not fill the disk: of each kind the newest 256 stay.
CREATE TABLE cache (
  kind     INTEGER NOT NULL,
  device   BLOB    NOT NULL,
  firmware BLOB    NOT NULL,
  octets   BLOB    NOT NULL,
  PRIMARY KEY (kind, device, firmware)
);
CREATE TRIGGER cache_bound AFTER INSERT ON cache BEGIN
  DELETE FROM cache WHERE kind = NEW.kind
    AND rowid <= (SELECT rowid FROM cache WHERE kind = NEW.kind ORDER BY rowid DESC LIMIT 1 OFFSET 256);
END;
-- 'scaler_unit of ' stood before the firmware id.
INSERT INTO cache SELECT 1, device, firmware, objects FROM object_list
  WHERE substr(firmware, 1, 15) <> x'7363616c65725f756e6974206f6620' ORDER BY rowid;
INSERT INTO cache SELECT 2, device, substr(firmware, 16), objects FROM object_list
  WHERE substr(firmware, 1, 15) = x'7363616c65725f756e6974206f6620' ORDER BY rowid;
DROP TABLE object_list;

-- Numbers that may have been used and are never given a second time. Kinds: 1 invocation counter.
CREATE TABLE reserved_counter (
  kind     INTEGER NOT NULL,
  scope    TEXT    NOT NULL,  -- in which no number comes twice: of an invocation counter a digest that names the key
  holder   TEXT    NOT NULL,  -- who reserved it: of an invocation counter meter and client
  reserved INTEGER NOT NULL,  -- every number up to this one
  PRIMARY KEY (kind, scope, holder)
) WITHOUT ROWID;
INSERT INTO reserved_counter SELECT 1, key_id, meter || ' ' || client, max(reserved) FROM invocation_counter
  GROUP BY key_id, meter, client;
DROP TABLE invocation_counter;

-- Signatures as the meter sent them: of one value (its place in the telegram), or of the whole list (place -1).
CREATE TABLE signature (
  capture INTEGER NOT NULL,
  place   INTEGER NOT NULL,
  octets  BLOB    NOT NULL,
  PRIMARY KEY (capture, place)
) WITHOUT ROWID;
