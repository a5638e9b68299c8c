"""The open smart meter gateway: reads meters, stores readings with time and quality, delivers COSEM-XML."""

__version__ = "0.1.0"

#: Seconds since 1970 before which nobody can run this software. The package has the time of its newest change.
BUILT_S = 1_767_225_600
