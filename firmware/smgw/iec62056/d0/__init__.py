"""D0 of IEC 62056-21: read-outs asked in modes A, B and C or pushed, programming mode, load profiles."""
