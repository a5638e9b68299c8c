"""Files of VDE-AR 2418-6 (schema 1.4): what the display software of a consumer (TRuDI) reads and a supplier writes.

`document.py` has the content of a gateway's file, `writer.py` writes it. `supplier.py` reads a supplier's tariff file.
Only those elements are written that TRuDI takes.
"""
