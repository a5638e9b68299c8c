"""han.db: who may log in at the HAN, and the log book of it."""
