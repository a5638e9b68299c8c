"""The forms and exports of PPC's gateways, over the house of two consumers."""

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from urllib.parse import urlencode

import pytest
from house_asked import ask
from house_state import DEVICE, FLAT, make, opened
from lxml import etree
from smgw.errors import SmgwError
from smgw.han.attached import attached
from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.ppc import PATH, VIEW
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from smgw.trust.cms.signed import sign_answer
from smgw.trust.errors import MalformedError
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.own import own_triples
from trial_pki import session_pki

MID, STRANGER = str(DEVICE).lower(), str(FLAT).lower()
FORM = {"content-type": "application/x-www-form-urlencoded"}
PROFILE = {"p": "urn:k461-dke-de:profile_generic-1", "e": "urn:k461-dke-de:extension-1"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make(folder)
    return folder


@pytest.fixture
def house(state: Path) -> Iterator[House]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view)


def post(house: House, consumer: str = "anna", **fields: str) -> Answer:
    """An action. `from` is a word of Python, so it is written `from_`."""
    body = urlencode({name.rstrip("_"): value for name, value in fields.items()}).encode()
    return ask(VIEW.answer, house, PATH, consumer, method="POST", headers=FORM, body=body)


class Cells(HTMLParser):
    """The rows of tables as {id: text}, and the options of a select."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.options: dict[str, dict[str, str]] = {}
        self.tables: list[str] = []
        self._at = self._select = self._option = ""
        self.feed(text.decode())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        if tag == "table":
            self.tables.append(told["id"] or "")
        if tag == "tr" and "id" in told:
            self.rows.append({"line": told["id"] or ""})
        self._at = (told.get("id") or "") if tag == "td" else ""
        if tag == "select":
            self._select = told.get("id") or ""
        self._option = (told.get("value") or "") if tag == "option" else ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "option"):
            self._at = self._option = ""
        if tag == "select":
            self._select = ""

    def handle_data(self, text: str) -> None:
        if self._at:
            self.rows[-1][self._at.removeprefix("table_metervalues_col_")] = text
        if self._option and self._select:
            self.options.setdefault(self._select, {})[self._option] = text


def cells(answer: Answer) -> Cells:
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    return Cells(answer.body)


def content(answer: Answer, tmp_path: Path) -> bytes:
    """What OpenSSL finds in a message."""
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    (tmp_path / "message").write_bytes(answer.body)
    shown = ["openssl", "asn1parse", "-inform", "DER", "-in", str(tmp_path / "message")]
    parts = subprocess.run(shown, capture_output=True, check=True, text=True, timeout=60).stdout
    assert "pkcs7-signedData" in parts
    (line,) = [one for one in parts.splitlines() if "OCTET STRING" in one]
    begin, head = int(line.split(":")[0]), int(line.partition("hl=")[2].split()[0])
    return answer.body[begin + head : begin + head + int(line.partition(" l=")[2].split()[0])]


def test_the_menu_gives_a_session_and_the_field_that_programs_send_back(house: House) -> None:
    answer = ask(VIEW.answer, house, PATH)
    assert answer.headers["Set-Cookie"].startswith("session=")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert isinstance(answer.body, bytes)
    assert b'name="tkn"' in answer.body
    assert b'id="div_fwversion"' in answer.body
    assert b'id="div_timestamp"' in answer.body


def test_the_form_of_meters_has_those_of_the_consumer(house: House) -> None:
    assert cells(post(house, action="meterform")).options == {"meterform_select_meter": {MID: f"01005e318002.{MID}.sm"}}


def test_the_newest_values_have_their_time_in_the_first_row(house: House) -> None:
    assert cells(post(house, action="showMeterProfile", mid=MID)).rows == [
        {
            "line": "table_metervalues_line0", "timestamp": "2026-03-04 03:15:00", "wert": "0.2970", "einheit": "kWh",
            "obis": "1-0:1.8.0", "istvalide": "valid", "name": "1-0:1.8.0",
        },
        {
            "line": "table_metervalues_line1", "wert": "0.0297", "einheit": "kWh", "obis": "1-0:2.8.0",
            "istvalide": "valid", "name": "1-0:2.8.0",
        },
    ]  # fmt: skip


def test_both_ends_of_a_range_of_values_are_included(house: House) -> None:
    found = cells(post(house, action="showMeterValues", mid=MID, from_="2026-03-01 01:15:00", to="2026-03-01 01:30:00"))
    assert found.tables == ["metervalue"]
    assert [one["timestamp"] for one in found.rows if "timestamp" in one] == [
        "2026-03-01 01:15:00",
        "2026-03-01 01:30:00",
    ]
    assert [one["line"] for one in found.rows] == [f"table_metervalues_line{place}" for place in range(4)]


def test_an_export_holds_each_register_in_a_column(house: House, tmp_path: Path) -> None:
    answer = post(house, action="exportMeterValues", mid=MID, from_="2026-03-01 01:00:00", to="2026-03-01 01:30:00")
    root = etree.fromstring(content(answer, tmp_path))
    assert [one.text for one in root.findall(".//p:capture_object/e:logical_name", PROFILE)] == [
        f"0100010800ff.{MID}.sm", f"0100020800ff.{MID}.sm",
    ]  # fmt: skip
    first, _ = root.findall(".//p:column", PROFILE)
    assert [one.text for one in first.findall("p:entry_gateway_signed/e:value/e:long64", PROFILE)] == ["0", "10", "20"]
    entry = first.find("p:entry_gateway_signed", PROFILE)
    assert {etree.QName(one).localname: one.text for one in entry if not len(one)} == {
        "scaler": "-1", "unit": "30", "capture_time": "2026-03-01T00:00:00Z",
    }  # fmt: skip
    assert entry.findtext("e:status/e:octet-string", namespaces=PROFILE) == "0000000500000000"


def test_the_export_of_a_profile_says_what_is_read(house: House, tmp_path: Path) -> None:
    root = etree.fromstring(content(post(house, action="exportMeterProfile", mid=MID), tmp_path))
    found = {etree.QName(one).localname: one.text for one in root.iter() if one.text}
    assert (found["device_identifier"], found["samplerate"], found["active"]) == (MID, "900", "1")
    assert found["value"] == f"0100020800ff.{MID}.sm"


def test_a_signature_goes_into_the_message(house: House, tmp_path: Path) -> None:
    """OpenSSL signs without the content, and verifies what became of it."""
    key, own = str(tmp_path / "key.pem"), str(tmp_path / "own.pem")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    subprocess.run([*made, "-keyout", key, "-out", own, "-subj", "/CN=g"], check=True, capture_output=True, timeout=60)

    def sign(octets: bytes) -> bytes:
        return subprocess.run(
            ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", own, "-inkey", key],
            input=octets, check=True, capture_output=True, timeout=60,
        ).stdout  # fmt: skip

    house.sign = sign
    answer = post(house, action="exportMeterProfile", mid=MID)
    assert isinstance(answer.body, bytes)
    verified = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", own, "-purpose", "any"],
        input=answer.body, capture_output=True, timeout=60,
    )  # fmt: skip
    assert b"successful" in verified.stderr
    assert b"kaf_lmn_container" in verified.stdout


def test_the_signature_of_the_agent_of_keys_goes_into_the_message(tmp_path: Path) -> None:
    session_pki().write_gateway(tmp_path / "trust")
    own = own_triples(tmp_path / "trust")[-1].signature
    (tmp_path / "own.pem").write_text(DER_cert_to_PEM_cert(own.der))
    message = attached(b"whole", sign_answer(sha256(b"whole").digest(), FolderKeys(tmp_path / "trust"), own))
    verified = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-certfile", str(tmp_path / "own.pem")],
        input=message, capture_output=True, timeout=60,
    )  # fmt: skip
    assert (verified.returncode, verified.stdout) == (0, b"whole")


def test_an_export_without_a_signer_comes_when_nobody_can_sign(house: House, tmp_path: Path) -> None:
    def refuse(_octets: bytes) -> bytes:
        raise SmgwError("no agent")

    house.sign = refuse
    assert b"kaf_lmn_container" in content(post(house, action="exportMeterProfile", mid=MID), tmp_path)


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", attached(b"x", None)], ids=["none", "empty", "whole"])
def test_what_is_no_detached_signature_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        attached(b"x", octets)


def test_contracts_periods_log_and_versions_are_shown(house: House) -> None:
    tariffs = cells(post(house, action="tariffform")).options["tariffform_select_tariff"]
    assert tariffs == {"day-night": "01005e318022.day-night", "series": "01005e318027.series"}
    assert b"TAF2" in bytes(post(house, action="showTariffProfile", tid="day-night").body)  # type: ignore[arg-type]
    assert cells(post(house, action="showTarification", tid="day-night")).tables == ["tarification"]
    log = post(house, action="log", from_="2026-03-01", to="2026-03-05").body
    assert isinstance(log, bytes)
    assert b"of anna" in log
    assert b"of berta" not in log
    assert cells(post(house, action="swversions")).tables == ["swversions"]


def test_logging_out_takes_the_cookie_back(house: House) -> None:
    assert "Max-Age=0" in post(house, action="logout").headers["Set-Cookie"]


@pytest.mark.parametrize("action", ["showMeterProfile", "showMeterValues", "exportMeterValues", "exportMeterProfile"])
def test_a_meter_of_another_is_as_one_that_does_not_exist(house: House, action: str) -> None:
    fields = {"action": action, "from_": "2026-03-01", "to": "2026-03-01"}
    assert post(house, mid=STRANGER, **fields) == post(house, mid="1emh0099999999", **fields)
    assert post(house, mid=STRANGER, **fields).status == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "nothing"}, 404),
        ({"action": "exportTariffProfile", "tid": "day-night"}, 501),
        ({"action": "showMeterProfile"}, 400),
        ({"action": "showMeterValues", "mid": MID}, 400),
        ({"action": "showMeterValues", "mid": MID, "from_": "2026-02-30", "to": "2026-03-01"}, 400),
        ({"action": "showMeterValues", "mid": MID, "from_": "2026-03-02", "to": "2026-03-01"}, 400),
        ({"action": "showTariffProfile", "tid": "flat-total"}, 404),
        ({"action": "log", "from_": "now", "to": "2026-03-01"}, 400),
    ],
    ids=["unknown", "unpublished", "no-mid", "no-times", "no-day", "backwards", "stranger", "no-time"],
)
def test_what_cannot_be_answered_has_its_status(house: House, fields: dict[str, str], status: int) -> None:
    assert post(house, **fields).status == status


def test_a_body_that_is_no_form_is_refused(house: House) -> None:
    answer = ask(VIEW.answer, house, PATH, method="POST", headers={"content-type": "application/json"}, body=b"{}")
    assert answer.status == 415
    assert ask(VIEW.answer, house, PATH, method="POST", headers=FORM, body=b"&".join([b"a=1"] * 99)).status == 400
    assert ask(VIEW.answer, house, PATH, method="POST", headers=FORM, body=b"\xff").status == 400
    assert ask(VIEW.answer, house, PATH, method="DELETE").status == 405
