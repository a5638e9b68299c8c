"""Documents for tests: any that can be written, and one example."""

from hypothesis import strategies as st
from smgw.cosem import date_time
from smgw.cosem.data import NULL, RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Document, Register, Row

NUMBERS = [kind for kind in RANGE if kind is not DataType.BOOLEAN]
VALUE = (
    st.just(NULL)
    | st.sampled_from(NUMBERS).flatmap(lambda kind: st.integers(*RANGE[kind]).map(lambda value: Data(kind, value)))
    | st.binary(max_size=12).map(lambda octets: Data(DataType.OCTET_STRING, octets))
)
TIME = st.integers(0, date_time.MAX_US // 10_000).map(lambda hundredths: hundredths * 10_000)
U32 = st.integers(0, 0xFFFFFFFF)
OBIS = st.binary(min_size=6, max_size=6).map(Obis)
SCALED = st.tuples(OBIS, st.integers(-128, 127), st.integers(0, 255), st.sampled_from([3, 4]), st.just(2))
PLAIN = st.tuples(OBIS, st.just(0), st.just(255), st.just(1), st.integers(2, 9))
REGISTER = (SCALED | PLAIN).map(lambda fields: Register(*fields))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any document that can be written."""
    registers = tuple(draw(st.lists(REGISTER, max_size=4, unique_by=lambda register: register.obis)))

    def row() -> Row:
        capture = draw(st.none() | TIME)
        return Row(
            draw(st.integers(0, (1 << 64) - 1)),
            capture,
            draw(st.none() | TIME),
            capture is not None and draw(st.booleans()),
            StatusWord(draw(U32), draw(U32)),
            tuple(draw(VALUE) for _ in registers),
        )

    rows = tuple(row() for _ in range(draw(st.integers(0, 4))))
    device = DeviceId(draw(st.binary(min_size=1, max_size=64)))
    gateway = DeviceId(draw(st.binary(min_size=1, max_size=64)))
    return Document(gateway, draw(st.binary(min_size=16, max_size=16)).hex(), device, registers, rows)


def example(rows: int = 2, registers: int = 2) -> Document:
    """A document of registers that count up."""
    columns = tuple(Register(Obis(bytes((1, 0, n, 8, 0, 255))), -1, 30) for n in range(1, registers + 1))
    return Document(
        DeviceId.parse("ESMG0000000001"),
        "ab" * 16,
        DeviceId.parse("1EMH0005347109"),
        columns,
        tuple(
            Row(
                n,
                1_700_000_000_000_000 + n * 1_000_000,
                None,
                True,
                StatusWord(5, 0x10104),
                tuple(Data(DataType.LONG64_UNSIGNED, 12_345_678 + n) for _ in columns),
            )
            for n in range(1, rows + 1)
        ),
    )
