"""Who may say what to whom: keys, protected octets, proofs."""
