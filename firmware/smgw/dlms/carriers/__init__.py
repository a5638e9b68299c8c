"""Carriers of APDUs besides HDLC."""
