-- lmn.db, new in schema version 2: load profiles that were fetched from meters, and the counters of ciphered meters.
-- A row of a load profile is a capture of origin 2 whose profile_version is of kind `load-profile`: the same row is never
-- kept twice. The index is not unique: events in the same second are several rows, told apart by their order.
CREATE INDEX capture_history ON capture (profile_version, target_time_us) WHERE origin = 2;

-- Object lists are a cache: of what meters with ever other names tell, the newest 256 stay.
CREATE TRIGGER object_list_bound AFTER INSERT ON object_list BEGIN
  DELETE FROM object_list WHERE rowid <= (SELECT rowid FROM object_list ORDER BY rowid DESC LIMIT 1 OFFSET 256);
END;

-- Which part of a meter's load profile has been asked and kept: ranges that neither touch nor overlap, both ends included.
CREATE TABLE profile_range (
  meter    TEXT    NOT NULL,
  device   BLOB    NOT NULL,
  profile  BLOB    NOT NULL,  -- OBIS code
  since_us INTEGER NOT NULL,
  until_us INTEGER NOT NULL,
  PRIMARY KEY (meter, device, profile, since_us)
) WITHOUT ROWID;

-- Invocation counters that may have been used with a key: never given a second time.
CREATE TABLE invocation_counter (
  meter    TEXT    NOT NULL,
  client   INTEGER NOT NULL,  -- the client's SAP
  key_id   TEXT    NOT NULL,  -- a digest that names the key and does not tell it
  reserved INTEGER NOT NULL,  -- every counter up to this one
  PRIMARY KEY (meter, client, key_id)
) WITHOUT ROWID;
