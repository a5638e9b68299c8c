"""smsim as meters with a P1 port: a table of versions, and the telegrams they send."""
