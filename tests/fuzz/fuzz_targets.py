"""The decoders of octets that a stranger can send, one function each, for the fuzzer and for the replay of the corpus.

A target takes any octets. It returns if the decoder keeps its promise: only its documented errors leave it, and a fast
path gives what the full decoder gives. Anything else is a finding. The fuzzer also bounds time and memory.

A random change rarely keeps a check sum. So some targets cut their input at `SEPARATOR` and give each part its sum.
"""

import atexit
import contextlib
import io
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fuzz_input import Target
from mbus_targets import MBUS_TARGETS
from meter_targets import METER_TARGETS
from radio_targets import RADIO_TARGETS
from smgw.clock.sample import TimeSample
from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.cosemxml import document
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.reader import decode as read_xml
from smgw.dump.printer import Options, make_printer
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.live_reader import read_live
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.paths import LMN
from smgw.store.records import Record
from smgw.wan import time_packet
from smgw.webservice import byte_range, headers, literal, media_type, query, uri
from smgw.webservice.error import ServiceError
from smgw.webservice.parcel import ParcelError, unpack
from trust_targets import TRUST_TARGETS

#: File of the live value whose content is tried.
LIVE_FILE = "house.0a01454d480000519725.json"


def cosem_xml(octets: bytes) -> None:
    """A document, and any resource. What is read as a document can be written and says the same again."""
    with contextlib.suppress(CosemXmlError):
        read_xml(octets)
    with contextlib.suppress(CosemXmlError):
        found = document.decode(octets)
        assert document.decode(document.encode(found)) == found


def time_answer(octets: bytes) -> None:
    """What a time server answers: a time of this epoch that is exact enough, or a reason why it is none."""
    transmit = octets[24:32]
    found = time_packet.judge(time_packet.Exchange(transmit, octets, 1_000_000_000, 1_022_000_000), "boot", "a")
    if isinstance(found, TimeSample):
        utc_s = (found.offset_us + found.boottime_ns // 1000) / 1_000_000
        assert 1_577_836_000 < utc_s < 1_577_836_800 + (1 << 32)
        assert 0 < found.dispersion_us < 17_000_000


def request(octets: bytes) -> None:
    """A request: URI, query, headers, literals. The first line is the target, each other one a header."""
    target, *lines = octets.decode("latin-1").split("\n")
    given = {name.title(): value for name, _, value in (line.partition(":") for line in lines)}
    with contextlib.suppress(ServiceError):
        path, filters = uri.split(target)
        with contextlib.suppress(ServiceError):
            found = uri.parse(path)
            assert uri.parse(uri.build(found)) == found
        with contextlib.suppress(ServiceError):
            query.parse(filters)
        literal.parse(filters)
    for check in (
        lambda: headers.check_request("PUT", given),
        lambda: headers.check_request("GET", given),
        lambda: headers.content_encoding(given),
        lambda: headers.parse_cid(given.get("X-Cid", "")),
        lambda: media_type.MediaType.parse(given.get("Content-Type", "")),
        lambda: media_type.choose(given.get("Accept"), [media_type.COSEM_XML, media_type.CSV]),
        lambda: byte_range.parse(given.get("Range", ""), 1000),
    ):
        with contextlib.suppress(ServiceError):
            check()


def live_value(octets: bytes) -> None:
    """The file of a live value: no error leaves the reader."""
    (_directory() / LIVE_FILE).write_bytes(octets)
    read_live(_directory())


def store_view(octets: bytes) -> None:
    """Another process's lmn.db with changed octets. Four octets of the input are a place and what stands there."""
    folder = _directory() / "store"
    made = bytearray(_database(folder))
    for begin in range(0, len(octets) - 3, 4):
        made[int.from_bytes(octets[begin : begin + 3], "big") % len(made)] = octets[begin + 3]
    for old in folder.iterdir():
        old.unlink()
    (folder / LMN).write_bytes(made)
    with contextlib.suppress(StoreError), LmnView.open(folder) as view:
        for read in (view.sources, view.meter_states, view.clock, view.counts, lambda: view.log_entries(10)):
            with contextlib.suppress(StoreError):
                read()
        for source in view.sources():
            for read_of in (view.newest, view.last_target_us, view.last_position, lambda one: view.records(one, 0, 10)):
                with contextlib.suppress(StoreError):
                    read_of(source)


@cache
def _database(folder: Path) -> bytes:
    """Five rows, a state and a log entry."""
    folder.mkdir()
    stamp = Stamp("boot", 1, 1_772_323_200_000_000, 1, ClockState.SYNCHRONISED)
    readings = tuple(Reading(Obis.parse(code), Data(DataType.LONG64, 7), -1, 30) for code in ("1.8.0", "2.8.0"))
    captured = Capture("house", DeviceId.parse("1EMH0011802881"), stamp, None, readings)
    with LmnStore.open(folder, ballast_bytes=0) as store:
        store.append([Record(captured, number * 900_000_000) for number in range(1, 6)])
        store.log("meter-silent", Level.INFO, "house", stamp)
    return (folder / LMN).read_bytes()


def parcel(octets: bytes) -> None:
    """An archive that a person carries."""
    file = _directory() / "archive"
    file.write_bytes(octets)
    with contextlib.suppress(ParcelError):
        for one in unpack(file):
            assert isinstance(one.octets, bytes)


def dump(octets: bytes) -> None:
    """`smgw dump` shows any octets, as a tree and as JSON."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name in ("sml", "dlms"):
            for as_json in (False, True):
                printer = make_printer(name, Options(as_json=as_json))
                printer.receive(octets)
                printer.finish()
                printer.summary()


TARGETS: dict[str, Target] = {
    made.__name__.replace("_", "-"): made
    for made in (
        *METER_TARGETS, *MBUS_TARGETS, *RADIO_TARGETS, cosem_xml, request, live_value, store_view, parcel, dump,
        time_answer, *TRUST_TARGETS,
    )
}  # fmt: skip


@cache
def _directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="smgw-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
