"""lmn.db: readings, states of meters, load profiles, caches, reserved counters."""
