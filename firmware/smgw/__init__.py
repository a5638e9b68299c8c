"""The open smart meter gateway: reads meters, stores readings with time and quality, delivers COSEM-XML."""

__version__ = "0.1.0"
