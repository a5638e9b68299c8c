"""HDLC after IEC 62056-46: frames of format type 3 and the link over them. Octets in, events out."""
