"""Ports by pyserial URL: serial devices, ptys, socket://, spy://. Interruptible, exclusive, shared with smsim."""

from smgw.ports.errors import PortBusy, PortError, PortGone, PortWoken
from smgw.ports.line_settings import LineSettings
from smgw.ports.port import Port, open_port
from smgw.ports.wake import Wake

__all__ = ["LineSettings", "Port", "PortBusy", "PortError", "PortGone", "PortWoken", "Wake", "open_port"]
