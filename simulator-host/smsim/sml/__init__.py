"""smsim as SML meters: the styles of their makers, telegrams that are pushed, and requests that are answered."""
