"""The outlet "cosem-xml": COSEM-XML documents by HTTP PUT (TR-03109-1 Annex II). No HTTP status leaves this folder."""
