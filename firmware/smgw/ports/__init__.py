"""Ports by URL: serial devices, ptys, socket://, tls://, spy://. Interruptible, exclusive, shared with smsim."""

from smgw.ports.errors import PortBusy, PortError, PortGone, PortWoken
from smgw.ports.line_settings import LineSettings
from smgw.ports.port import Port, open_port
from smgw.ports.security import Security
from smgw.ports.wake import Wake

__all__ = ["LineSettings", "Port", "PortBusy", "PortError", "PortGone", "PortWoken", "Security", "Wake", "open_port"]
