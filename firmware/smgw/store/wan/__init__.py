"""wan.db: cursors, quarantined rows, channels, time samples, orders of a person."""
