-- lmn.db, new in schema version 3: whatever reads rows reads those of one device that a meter profile brought.
DROP INDEX capture_meter;
CREATE INDEX capture_source ON capture (meter, device);
