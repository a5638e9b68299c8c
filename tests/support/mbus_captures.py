"""The M-Bus frames of libmbus, and what libmbus found in them."""

import xml.etree.ElementTree as ET
from functools import cache
from typing import NamedTuple

from captures import OWN, SHARED
from smgw.mbus.frame import Frame, FrameDecoder


class MBusCapture(NamedTuple):
    """`slave` and `records` are the elements of libmbus's XML, by name; empty if there is none."""

    name: str
    octets: bytes
    slave: dict[str, str]
    records: list[dict[str, str]]

    @property
    def frame(self) -> Frame:
        """The frame; the test fails if it is none."""
        (frame,) = FrameDecoder().receive(self.octets)
        assert isinstance(frame, Frame)
        return frame


def _texts(element: ET.Element | None) -> dict[str, str]:
    return {} if element is None else {one.tag: one.text or "" for one in element}


@cache
def mbus_captures(folder: str) -> tuple[MBusCapture, ...]:
    """All of a folder of libmbus (`test-frames`, `error-frames`, `unsupported-frames`), by name."""
    found: dict[str, MBusCapture] = {}
    for root in (SHARED / "mbus", OWN / "mbus"):
        for path in sorted(root.glob(f"*/{folder}/*.hex")):
            xml = next((one for end in (".norm.xml", ".xml") if (one := path.with_suffix(end)).exists()), None)
            tree = None if xml is None else ET.fromstring(xml.read_bytes())
            slave = _texts(None if tree is None else tree.find("SlaveInformation"))
            records = [] if tree is None else [_texts(one) for one in tree.findall("DataRecord")]
            found[path.stem] = MBusCapture(path.stem, bytes.fromhex(path.read_text()), slave, records)
    return tuple(found[name] for name in sorted(found))


def mbus_capture(name: str, folder: str = "test-frames") -> MBusCapture:
    """One of them."""
    return next(one for one in mbus_captures(folder) if one.name == name)
