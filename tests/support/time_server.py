"""A time server on loopback."""

import socket
import struct
import threading
import time

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970


class TimeServer:
    """Gives the system's time by NTP on loopback, so that the gateway's clock is synchronised."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="time server")
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                request, peer = self._socket.recvfrom(100)
            except OSError:
                continue
            now = int((time.time() + _NTP_EPOCH) * 2**32)
            stamps = struct.pack(">QQQQ", now, int.from_bytes(request[40:48], "big"), now, now)
            self._socket.sendto(bytes([4 << 3 | 4, 2, 6, 0xEC]) + struct.pack(">II4s", 0, 16, b"LOOP") + stamps, peer)

    def close(self) -> None:
        """Stop it."""
        self._closing.set()
        self._thread.join(5)
        self._socket.close()
