"""The server of the HAN, on Tornado's streams: listener, TLS, limits, and the way of a request to its view.

Heads are parsed here and not by Tornado, whose releases differ in what they accept. A request has one meaning or none.

asyncio's own TLS would hold a quarter of a megabyte for each connection; Tornado's holds what is on the way.
"""

import logging
import sys
import types

#: As Tornado names them.
_LOGGERS = {"access_log": "tornado.access", "app_log": "tornado.application", "gen_log": "tornado.general"}


def _spare_formatter() -> None:
    """Tornado's module of loggers brings a formatter for terminals: curses and more, 1.3 MB that nobody here needs."""
    if "tornado.log" not in sys.modules:
        spared = types.ModuleType("tornado.log", "The loggers of Tornado alone.")
        vars(spared).update({name: logging.getLogger(logger) for name, logger in _LOGGERS.items()})
        sys.modules[spared.__name__] = spared


_spare_formatter()
