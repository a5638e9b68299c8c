"""The open smart meter gateway: reads meters, keeps every reading with its time and quality, delivers COSEM-XML."""

__version__ = "0.1.0"
