"""What hostile octets cost: CPU seconds for a megabyte, and how many times longer twice as many octets take.

The unit tests count lines of Python for the same octets. Here work inside C functions is seen too, such as copies.
Beside that: what a document of 100 rows costs.
Run alone: `python tests/bench/bench_hostile.py`; exits 1 under a bar.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(Path(__file__).parent)]

from result import Result, shown  # noqa: E402
from smgw.cosem.data import Data, DataType  # noqa: E402
from smgw.cosem.device_id import DeviceId  # noqa: E402
from smgw.cosem.obis import Obis  # noqa: E402
from smgw.cosem.status_word import StatusWord  # noqa: E402
from smgw.cosemxml import document  # noqa: E402
from smgw.dlms.carriers.mbus import MBusListener  # noqa: E402
from smgw.hdlc.frame import FrameDecoder as HdlcDecoder  # noqa: E402
from smgw.iec62056.d0.blocks import BlockReader  # noqa: E402
from smgw.iec62056.d0.read_out import ReadOutReader  # noqa: E402
from smgw.iec62056.p1.reader import P1Reader  # noqa: E402
from smgw.mbus.frame import FrameDecoder as MBusDecoder  # noqa: E402
from smgw.sml.file import find_messages  # noqa: E402
from smgw.sml.transport import START  # noqa: E402
from smgw.sml.transport import FrameDecoder as SmlDecoder  # noqa: E402

SIZE = 500_000
#: CPU seconds for a megabyte, on a computer like the one of the other bars.
SECONDS = 8.0
#: Twice the octets; the noise of a busy machine is in it.
RATIO = 3.0


def pieces(octets: bytes, chunk: int, receive: Callable[[bytes], object]) -> None:
    for place in range(0, len(octets), chunk):
        receive(octets[place : place + chunk])


ENDLESS, SET = b"/XXX5TEST\r\n\r\n", b"1-0:1.8.0*255(000001*kWh)\r\n"
CASES: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "SML frames: 1B octet by octet": (b"\x1b", lambda octets: pieces(octets, 1, SmlDecoder().receive)),
    "SML frames: starts octet by octet": (START, lambda octets: pieces(octets, 1, SmlDecoder().receive)),
    "SML frames: starts in one piece": (START, lambda octets: SmlDecoder().receive(octets)),
    "SML without a transport": (b"\x76\x05\x01", lambda octets: list(find_messages(octets))),
    "HDLC frames: heads of long frames": (b"\x7e\xa7\xff", lambda octets: pieces(octets, 97, HdlcDecoder().receive)),
    "HDLC frames: flags": (b"\x7e", lambda octets: pieces(octets, 97, HdlcDecoder().receive)),
    "M-Bus: heads of long frames": (b"\x68\xff\xff\x68", lambda octets: pieces(octets, 97, MBusListener().receive)),
    "M-Bus by wire: heads of long frames": (
        b"\x68\xff\xff\x68",
        lambda octets: pieces(octets, 97, MBusDecoder().receive),
    ),
    "D0: a read-out without end": (ENDLESS + SET * 2500, lambda octets: pieces(octets, 16, ReadOutReader().receive)),
    "D0: beginnings": (b"/XXX5\r\n", lambda octets: pieces(octets, 16, ReadOutReader().receive)),
    "D0: ends without check value": (
        b"!\n",
        lambda octets: pieces(ENDLESS + b"\x02" + octets, 16, ReadOutReader().receive),
    ),
    "D0: a message without end": (b"\x02" + SET * 2500, lambda octets: pieces(octets, 16, BlockReader().receive)),
    "P1: a telegram without end": (ENDLESS + SET * 2500, lambda octets: pieces(octets, 16, P1Reader().receive)),
    "P1: beginnings": (b"/XXX5\r\n", lambda octets: pieces(octets, 16, P1Reader().receive)),
    "P1: beginnings of encrypted telegrams": (
        b"\xdb\x08SAG01234\x82\xff\xff\x30",
        lambda octets: pieces(octets, 16, P1Reader().receive),
    ),
}


def seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def rows_document() -> list[Result]:
    """100 rows of 8 registers, written and read."""
    registers = tuple(document.Register(Obis(bytes((1, 0, n, 8, 0, 255))), -1, 30) for n in range(1, 9))
    value = Data(DataType.LONG64, 1234567)
    rows = tuple(
        document.Row(n, 1_700_000_000_000_000 + n * 1_000_000, None, True, StatusWord(0, 0), (value,) * 8)
        for n in range(100)
    )
    gateway, device = DeviceId.parse("ESMG0000000001"), DeviceId.parse("1EMH0005347109")
    content = document.Document(gateway, "ab" * 16, device, registers, rows)
    octets = document.encode(content)
    return [
        Result("100 rows written", min(seconds(lambda: document.encode(content)) for _ in range(20)) * 1000, "ms", 20),
        Result("100 rows read", min(seconds(lambda: document.decode(octets)) for _ in range(20)) * 1000, "ms", 40),
    ]


def main() -> list[Result]:
    """All cases."""
    results = []
    for name, (unit, receive) in CASES.items():
        whole = (unit * (SIZE // len(unit) + 1))[:SIZE]
        half = seconds(lambda octets=whole[: SIZE // 2], receive=receive: receive(octets))  # type: ignore[misc]
        full = seconds(lambda octets=whole, receive=receive: receive(octets))  # type: ignore[misc]
        results.append(Result(name, full * 1_000_000 / SIZE, "s/MB", SECONDS))
        results.append(Result(f"{name}, twice the octets", full / max(half, 0.01), "times", RATIO))
    return results + rows_document()


if __name__ == "__main__":
    sys.exit(shown(main()))
