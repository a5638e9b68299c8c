"""The answers of the head-end: resources, rows and curves as XML, JSON and CSV."""
