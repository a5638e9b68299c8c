"""tshark, from Debian, as a second reader of SML: what it makes of frames, each in a UDP datagram of its own."""

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

_PORT = 7259  # Wireshark takes this port for SML
_RAW_IP = 101  # link type of pcap: packets begin with the IP header
_LOOPBACK = b"\x7f\0\0\1"


class Entry(NamedTuple):
    """One entry of a list, as the octets that tshark shows for each of its seven fields."""

    fields: tuple[bytes, ...]
    obj_name: bytes
    unit: int | None
    scaler: int | None
    value: bytes


class Dissected(NamedTuple):
    """One frame: how many check sums were right and wrong, message types, its entries, whether tshark gave up."""

    right: int
    wrong: int
    types: list[int]
    entries: list[Entry]
    malformed: bool


def dissect(frames: Sequence[bytes], folder: Path) -> list[Dissected]:
    """Ask tshark; the test is skipped, and says so, where it is not installed."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is missing; on Debian: sudo apt-get install tshark (make test does it for root)")
    capture = folder / "frames.pcap"
    capture.write_bytes(_pcap(frames))
    command = [program, "-r", str(capture), "-d", f"udp.port=={_PORT},sml", "-o", "sml.crc:TRUE", "-T", "pdml"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    packets = ET.fromstring(done.stdout).findall("packet")
    assert len(packets) == len(frames)
    return [_dissected(packet) for packet in packets]


def _pcap(frames: Sequence[bytes]) -> bytes:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, _RAW_IP)
    for number, frame in enumerate(frames):
        datagram = struct.pack(">HHHH", 40_000, _PORT, 8 + len(frame), 0) + frame
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), number, 0, 64, 17, 0) + 2 * _LOOPBACK
        packet = header + datagram
        out += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    return out


def _dissected(packet: ET.Element) -> Dissected:
    status = [field.get("show") for field in packet.iterfind(".//field[@name='sml.crc.status']")]
    types = [int(field.get("show", "0"), 16) for field in packet.iterfind(".//field[@name='sml.messagebody']")]
    entries = [field for field in packet.iter("field") if field.get("show") == "valListEntry"]
    malformed = packet.find("proto[@name='_ws.malformed']") is not None
    return Dissected(status.count("1"), len(status) - status.count("1"), types, list(map(_entry, entries)), malformed)


def _entry(field: ET.Element) -> Entry:
    unit, scaler = _inner(field, "sml.unit"), _inner(field, "sml.scaler")
    return Entry(
        tuple(bytes.fromhex(child.get("value", "")) for child in field),
        _inner(field, "sml.objname") or b"",
        unit[0] if unit else None,
        int.from_bytes(scaler, "big", signed=True) if scaler else None,
        _inner(field, "sml.value") or b"",
    )


def _inner(entry: ET.Element, name: str) -> bytes | None:
    """The content of a field below its type-length field; None where it is not set."""
    found = entry.find(f"./field/field[@name='{name}']")
    return None if found is None else bytes.fromhex(found.get("value", ""))
