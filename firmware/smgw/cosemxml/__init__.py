"""COSEM-XML: the resources of BSI TR-03109-1 Annex II as XML, and the document a gateway puts to a head-end.

One strict form goes out; what the annex's examples, its schema and its users write differently comes in all the same.
The only room that knows an XML library.
"""
