"""COSEM-XML: the resources of BSI TR-03109-1 Annex II as XML, and the document a gateway puts to a head-end.

The writer has one strict form. The reader also accepts the variants of the annex's examples, its schema and its users.
No other room imports an XML library.
"""
