"""DSMR P1, the customer port of meters in the Netherlands, Belgium, Luxembourg, Sweden and elsewhere. Sans-IO."""
