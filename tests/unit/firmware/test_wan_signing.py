"""Values at the end of a billing period leave with the gateway's inner signature; `smgw verify` checks them."""

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, POWER, SECOND, capture, energy
from delivering import Gateway, granted
from line_meter import Clock
from small_emp import Answer
from smgw.cli import main
from smgw.cosem import Data, DataType, Obis, Reading
from smgw.cosemxml.document import Document, Register, encode
from smgw.cosemxml.value_signatures import SIGNATURES, SignaturesError, logical_name, read_cell, values_of
from smgw.metering.period_ends import PeriodEnds
from smgw.metering.registrar import Registrar
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record
from smgw.store.wan.signatures import SignedRow
from smgw.trust.certificate import Purpose
from smgw.trust.errors import KeysUnavailableError
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.plain_signature import is_signed
from smgw.wan.cosem_xml import signing
from smgw.wan.cosem_xml.signing import RowSigner, SigningOutlet, ValueSigner
from smgw.wan.outlet import open_outlet
from trusted_emp import GATEWAY_ID, Trial, TrustedEmp

pytestmark = pytest.mark.usefixtures("quick")
HOUR = 3600 * SECOND


class Field:
    """A gateway that signs, and the head-end that it delivers to."""

    def __init__(self, folder: Path, emp: TrustedEmp, trial: Trial, curve: str = "") -> None:
        self.emp, self.trial = emp, trial
        self.gateway = Gateway(folder / "stores", "http://127.0.0.1:1")
        profile = CommunicationProfile("demo", emp.url, forward=0, timeout=60)
        self.keys: FolderKeys | None = FolderKeys(trial.gateway)
        self.dispatcher = self.gateway.dispatcher_to(profile, outlet=self.signing(profile))
        self.profile = profile

    def signing(self, profile: CommunicationProfile) -> SigningOutlet:
        signer = ValueSigner(self.trial.gateway, lambda: self.trial.now, self.open_keys)
        return SigningOutlet(open_outlet(GATEWAY_ID, profile), RowSigner(self.gateway.wan, signer))

    def open_keys(self) -> FolderKeys:
        if self.keys is None:
            raise KeysUnavailableError("the agent is away", "Start it.")
        return self.keys

    def append(self, moment_us: int, *readings: Reading, to_sign: bool = True) -> None:
        self.gateway.lmn.append([Record(capture(moment_us, *readings), moment_us, to_sign=to_sign)])

    def delivered(self) -> list[Document]:
        self.dispatcher.deliver_round()
        return [put.document for put in self.emp.puts]

    def close(self) -> None:
        for one in (self.dispatcher, self.gateway.dispatcher):
            one.stop()
            one.run()
        self.gateway.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Field]]:
    made: list[Field] = []
    with TrustedEmp() as emp:

        def one(curve: str = "brainpool") -> Field:
            made.append(Field(tmp_path, emp, Trial(tmp_path, curve)))
            return made[-1]

        yield one
        for field in made:
            field.close()


def signatures(document: Document) -> list[int]:
    """How many signatures each row has."""
    columns = [register.column for register in document.registers]
    if SIGNATURES not in columns:
        return [0] * len(document.rows)
    return [len(read_cell(row.values[columns.index(SIGNATURES)])) for row in document.rows]


@pytest.mark.parametrize("curve", ["brainpool", "p256"])
def test_every_number_of_a_marked_row_is_signed_and_others_are_not(make: Callable[..., Field], curve: str) -> None:
    field = make(curve)
    name = Reading(Obis.parse("96.1.0"), Data(DataType.VISIBLE_STRING, "house"), class_id=1)
    field.append(MIDNIGHT, energy(5), Reading(POWER, Data(DataType.LONG, -3), 0, 27), name)
    field.append(MIDNIGHT + HOUR, energy(6), to_sign=False)
    (document,) = field.delivered()
    assert signatures(document) == [2, 0]
    signer = field.trial.pki.triple().of(Purpose.SIGNATURE).certificate
    signed = [value for value in values_of(document) if value.signature]
    assert [value.register.obis for value in signed] == [energy(5).obis, POWER]
    assert all(is_signed(signer, value.signed_octets, value.signature.octets) for value in signed if value.signature)


def test_the_signed_octets_are_those_of_the_table(make: Callable[..., Field]) -> None:
    field = make()
    field.append(MIDNIGHT + 123_456, Reading(POWER, Data(DataType.LONG, -3), -2, 27))
    (document,) = field.delivered()
    (value,) = (one for one in values_of(document) if one.signature)
    name = b"0100100700ff.1emh0011802881.sm"
    status = bytes.fromhex(document.rows[0].status.msb0)
    expected = b"smgw value 1\0\0\0\0" + struct.pack(">HbH", 3, 2, len(name)) + name + status
    expected += struct.pack(">QBH", (MIDNIGHT + 123_456) // 10_000, 16, 2) + b"-3" + struct.pack(">bB", -2, 27)
    assert value.signed_octets == expected
    assert value.signature is not None
    signer = field.trial.pki.triple().of(Purpose.SIGNATURE).certificate
    assert value.signature.signer.hex() == signer.fingerprint[:16]
    assert len(value.signature.octets) == 64


def test_a_repeated_delivery_has_the_same_signatures(make: Callable[..., Field]) -> None:
    field = make()
    field.append(MIDNIGHT)
    answers = iter([Answer(503), Answer(503), Answer(200)])
    field.emp.answer = lambda _: next(answers)
    for _ in range(3):
        field.delivered()
    rows = {row.values for put in field.emp.puts for row in put.document.rows}
    assert len(field.emp.puts) == 3
    assert len(rows) == 1


def test_rows_wait_for_the_agent_of_keys_and_not_for_ever(
    make: Callable[..., Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    field = make()
    keys, field.keys = field.keys, None
    field.append(MIDNIGHT)
    assert field.delivered() == []
    field.keys = keys
    assert signatures(field.delivered()[0]) == [1]
    field.keys = None
    monkeypatch.setattr(signing, "_PATIENCE_S", 0.0)
    field.dispatcher._outlet._signer._signer._keys = None  # type: ignore[attr-defined]
    field.append(MIDNIGHT + HOUR)
    assert signatures(field.delivered()[1]) == [0]


def test_a_row_that_left_unsigned_stays_so(make: Callable[..., Field], caplog: pytest.LogCaptureFixture) -> None:
    field = make()
    (field.trial.gateway / "own").rename(field.trial.gateway / "away")
    field.append(MIDNIGHT)
    field.emp.answer = lambda _: Answer(503)
    field.delivered()
    (field.trial.gateway / "away").rename(field.trial.gateway / "own")
    field.emp.answer = lambda _: Answer(200)
    assert [signatures(document) for document in field.delivered()] == [[0], [0]]
    assert [record.levelname for record in caplog.records if getattr(record, "event", "") == "values-unsigned"] == [
        "WARNING"
    ]


def test_rows_under_a_pseudonym_carry_no_signature(make: Callable[..., Field]) -> None:
    field = make()
    profile = field.profile._replace(pseudonym_days=1)
    grants = granted("demo", "house", pseudonym_days=1)
    hidden = field.gateway.dispatcher_to(profile, grants, field.signing(profile))
    field.append(MIDNIGHT)
    hidden.deliver_round()
    hidden.stop()
    hidden.run()
    (document,) = [put.document for put in field.emp.puts]
    assert document.device != DEVICE
    assert signatures(document) == [0]


def test_a_mark_survives_in_the_store_and_costs_other_rows_nothing(make: Callable[..., Field]) -> None:
    field = make()
    field.append(MIDNIGHT)
    field.append(MIDNIGHT + HOUR, to_sign=False)
    with LmnView.open(field.gateway.directory) as view:
        assert [row.to_sign for row in view.records(HOUSE, 0, 9)] == [True, False]
    rows = field.gateway.lmn._file.writer.execute("SELECT capture, place, octets FROM signature").fetchall()
    assert rows == [(1, -2, b"")]


def test_the_stored_signatures_are_bounded(make: Callable[..., Field], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.store.wan.signatures.SIGNATURES_KEPT", 2)
    field = make()
    for at in range(4):
        field.append(MIDNIGHT + at * HOUR)
    field.delivered()
    store = field.gateway.wan
    found = [len(store.value_signatures(SignedRow(field.gateway.lmn.store_id, at, DEVICE))) for at in range(1, 5)]
    assert sum(found) <= 4
    field.append(MIDNIGHT + 5 * HOUR)
    field.delivered()
    assert [len(store.value_signatures(SignedRow(field.gateway.lmn.store_id, at, DEVICE))) for at in range(1, 6)] == [
        0,
        0,
        0,
        1,
        1,
    ]


def verified(field: Field, folder: Path, document: Document, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    file = folder / "document.xml"
    file.write_bytes(encode(document))
    code = main(["verify", str(file), "--trust", str(field.trial.gateway)])
    return code, capsys.readouterr().out


def test_a_delivered_document_is_verified(
    make: Callable[..., Field], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field = make()
    field.append(MIDNIGHT)
    (document,) = field.delivered()
    code, told = verified(field, tmp_path, document, capsys)
    assert code == 0
    assert "1 documents, 1 rows; values: 1 signed, 0 not signed, 0 wrong, 0 unknown signer" in told


@pytest.mark.parametrize("what", ["value", "time", "status", "scaler", "device", "moved"])
def test_whatever_is_changed_makes_the_signature_wrong(
    make: Callable[..., Field], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field = make()
    field.append(MIDNIGHT, energy(5), Reading(POWER, Data(DataType.LONG, 5), -1, 30))
    (document,) = field.delivered()
    row, registers = document.rows[0], document.registers
    values = list(row.values)
    if what == "value":
        values[0] = values[0]._replace(value=6)
    elif what == "moved":
        values[1] = Data(DataType.NULL_DATA, None)
    elif what == "time":
        row = row._replace(capture_time_us=MIDNIGHT + 10_000)
    elif what == "status":
        row = row._replace(status=row.status._replace(gateway=row.status.gateway | 1 << 9))
    elif what == "scaler":
        registers = (registers[0]._replace(scaler=0), *registers[1:])
    else:
        document = document._replace(device=type(DEVICE).parse("1EMH0011802882"))
    forged = document._replace(rows=(row._replace(values=tuple(values)),), registers=registers)
    code, told = verified(field, tmp_path, forged, capsys)
    assert code == 1
    assert "record 1" in told
    assert ": wrong" in told


def test_a_file_without_signatures_and_one_of_another_gateway_are_not_verified(
    make: Callable[..., Field], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    field = make()
    field.append(MIDNIGHT)
    field.append(MIDNIGHT + HOUR, to_sign=False)
    (document,) = field.delivered()
    place = document.registers.index(Register(SIGNATURES.obis, 0, 255, 1, 2))
    bare = document._replace(
        registers=document.registers[:place] + document.registers[place + 1 :],
        rows=tuple(row._replace(values=row.values[:place] + row.values[place + 1 :]) for row in document.rows),
    )
    assert verified(field, tmp_path, bare, capsys)[0] == 1
    other = document._replace(gateway=type(GATEWAY_ID).parse("EXXX0012345679"))
    code, told = verified(field, tmp_path, other, capsys)
    assert code == 1
    assert ": unknown signer" in told


def test_a_file_that_is_no_document_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x"
    file.write_text("no XML")
    assert main(["verify", str(file), "--trust", str(tmp_path)]) == 2
    assert "this is no document of a gateway" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "y"), "--trust", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("octets", [b"\0", b"\0\3" + bytes(17) + b"\0\5abc"])
def test_octets_that_are_no_signatures_are_refused(octets: bytes) -> None:
    with pytest.raises(SignaturesError):
        read_cell(Data(DataType.OCTET_STRING, octets))


def test_the_name_of_a_register_is_that_of_the_field() -> None:
    assert logical_name(Obis.parse("1-0:1.8.63"), DEVICE) == "010001083fff.1emh0011802881.sm"


def test_readings_at_local_midnight_of_a_periods_first_day_are_signed() -> None:
    def at(*moment: int) -> int:
        return int(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type]

    monthly = EvaluationProfile("one", 1, ("house", "pv"))
    ends = PeriodEnds([monthly, monthly._replace(meters=("yard",), billing_months=3)])
    assert ends("house", at(2026, 2, 28, 23))
    assert ends("pv", at(2026, 4, 30, 22)), "summer time"
    assert not ends("house", at(2026, 5, 1))
    assert not ends("house", at(2026, 2, 28, 23) + 1)
    assert not ends("other", at(2026, 2, 28, 23))
    assert ends("yard", at(2026, 3, 31, 22))
    assert not ends("yard", at(2026, 4, 30, 22))


def test_the_registrar_marks_the_reading_at_a_periods_end(tmp_path: Path) -> None:
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        registrar = Registrar(store, Clock(), {"house": 900})
        registrar.signs = lambda meter, target_us: (meter, target_us) == ("house", MIDNIGHT)
        for at in (MIDNIGHT - 900 * SECOND, MIDNIGHT, MIDNIGHT + 900 * SECOND):
            registrar.capture(capture(at))
            registrar.run_once(0)
    with LmnView.open(tmp_path) as view:
        assert [(row.target_time_us, row.to_sign) for row in view.records(HOUSE, 0, 9)][1:] == [
            (MIDNIGHT, True),
            (MIDNIGHT + 900 * SECOND, False),
        ]
