"""The frame whose check sum ends in a flag octet: smsim sends it, and those who read it get over it.

A relay in between keeps what goes by, so that it is known to have gone by.
"""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from dlms_smsim import PROFILE, rows_of, running_meters, same_device
from smgw.dlms.apdus.selection import Entries
from smgw.hdlc.frame import Frame, FrameDecoder, encode_frame

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
SCRIPTS = Path(__file__).with_name("peers")
FIRST, LAST = 1_000, 3_999
INFORMATION = 50  # 2,000 frames: one in 256 ends so


class Relay:
    """Hands one connection on to a TCP port, both ways, and keeps what comes from there."""

    def __init__(self, port: int) -> None:
        self.kept = bytearray()
        self._meter = socket.create_connection(("127.0.0.1", port), 10)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        back = threading.Thread(target=self._pass, args=(self._meter, client, self.kept))
        back.start()
        self._pass(client, self._meter, bytearray())
        self._meter.shutdown(socket.SHUT_RDWR)
        back.join()
        client.close()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        try:
            while octets := source.recv(65_536):
                kept += octets
                target.sendall(octets)
        except OSError:
            pass  # the other side was faster

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self._threads[0].join(20)
        self._meter.close()
        self._listener.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_meters(tmp_path_factory.mktemp("meters")) as found:
        yield found["hdlc"]


@pytest.mark.parametrize(("script", "window"), [("gurux_read.py", 1), ("pydlms_read.py", 1), ("pydlms_read.py", 7)])
def test_a_reader_gets_over_check_sums_that_end_in_a_flag(port: int, script: str, window: int) -> None:
    """R1."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    last = LAST - FIRST + 1 if script.startswith("gurux") else LAST  # gurux wants how many
    with Relay(port) as relay:
        wanted: dict[str, Any] = {
            "link": "hdlc", "port": relay.port, "sap": 16, "server": 1,
            "information": INFORMATION, "window": window, "entries": [PROFILE, FIRST, last],
        }  # fmt: skip
        command = [str(PEERS), "-I", str(SCRIPTS / script), json.dumps(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["rows"] == rows_of(same_device(), Entries(FIRST, LAST))
    frames = [frame for frame in FrameDecoder().receive(bytes(relay.kept)) if isinstance(frame, Frame)]
    assert len(frames) > 1_500
    assert any(ends_in_a_flag(frame) for frame in frames)


def ends_in_a_flag(frame: Frame) -> bool:
    octets = encode_frame(*frame[:3], frame.information, segmented=frame.segmented)
    return octets.endswith(b"\x7e\x7e")
