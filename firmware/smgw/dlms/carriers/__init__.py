"""What carries APDUs beside HDLC."""
