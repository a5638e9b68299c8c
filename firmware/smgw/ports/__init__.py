"""Ports by pyserial URL: serial devices, ptys, socket://, spy://. Interruptible, exclusive, shared with smsim."""

from smgw.ports.errors import PortError, PortGone, PortWoken
from smgw.ports.line_settings import LineSettings
from smgw.ports.port import Port, open_port
from smgw.ports.wake import Wake

__all__ = ["LineSettings", "Port", "PortError", "PortGone", "PortWoken", "Wake", "open_port"]
