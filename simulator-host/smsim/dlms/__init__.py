"""smsim as DLMS/COSEM meters: HDLC and wrapper, object models of a German meter and of DSMR, several on one line."""
