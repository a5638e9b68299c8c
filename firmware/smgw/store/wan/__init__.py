"""wan.db: cursors, quarantined rows, channels, pseudonyms, time samples, orders of a person."""
