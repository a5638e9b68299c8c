"""Inner signatures of values: the page of rows tells for each row whether its gateway signed it."""

import emp_process
import pytest
from emp_process import DEVICE, ENERGY, POWER, content, row
from emp_trust import OTHERS, Trial
from smgw.cli import main
from smgw.cosem.data import NULL, Data, DataType
from smgw.cosemxml.document import Register
from smgw.cosemxml.value_signatures import SIGNATURES, SIGNER_OCTETS, ValueSignature, cell, signed_octets
from smgw.trust.plain_signature import sign

COLUMN = Register(SIGNATURES.obis, 0, 255, SIGNATURES.class_id, SIGNATURES.attribute)
ROWS = f"/devices/{DEVICE.uri}/rows"


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def signed(one, party, registers=(ENERGY, POWER)):
    """The row with the signatures of its values."""
    certificate = party.certificate
    made = [
        ValueSignature(
            register.column,
            bytes.fromhex(certificate.fingerprint)[:SIGNER_OCTETS],
            sign(signed_octets(DEVICE, register, one.status, one.capture_time_us, value), party.keys, certificate),
        )
        for register, value in zip(registers, one.values, strict=True)
    ]
    return one._replace(values=(*one.values, cell(made)))


def states(text):
    """What the page says of each row, newest first."""
    words = ("not signed", "signed", "wrong", "unknown signer", "not checked")
    found = []
    for line in text.split("<tr>")[2:]:
        cells = [part.split("</td>")[0] for part in line.split("<td>")]
        found += [word for one in cells for word in words if f">{word}<" in one]
    return found


def filled(trial, running):
    ours, theirs = trial.party(), trial.party(OTHERS)
    good, changed, foreign = (signed(row(number, 100 + number, 7), party) for number, party in
                              ((1, ours), (2, ours), (3, theirs)))  # fmt: skip
    changed = changed._replace(values=(Data(changed.values[0].type, 999), *changed.values[1:]))
    odd = row(4, 104, 7)._replace(values=(*row(4, 104, 7).values, Data(DataType.OCTET_STRING, b"x")))
    bare = row(5, 105, 7)._replace(values=(*row(5, 105, 7).values, NULL))
    sent = content(good, changed, foreign, odd, bare, registers=(ENERGY, POWER, COLUMN))
    running.put(sent)
    return sent


def test_the_page_tells_of_each_row_whether_it_is_signed(trial):
    with trial.inside() as ours:
        gateway = trial.as_gateway(ours)
        filled(trial, gateway)
        text = ours.ask("GET", ROWS).text
    assert states(text) == ["not signed", "wrong", "unknown signer", "wrong", "signed"]
    assert str(SIGNATURES.obis) not in text, "signatures are no column of values"


def test_without_a_trust_folder_nothing_is_checked(tmp_path, trial):
    with emp_process.inside(tmp_path / "emp.db") as running:
        filled(trial, running)
        assert states(running.ask("GET", ROWS).text) == ["not signed", *["not checked"] * 4]
        assert str(SIGNATURES.obis) not in running.ask("GET", "/").text


def test_what_the_head_end_exports_is_verified(tmp_path, trial, capsys):
    sig = tmp_path / "sig.crt"
    sig.write_bytes(trial.party().certificate.pem)
    with emp_process.inside(tmp_path / "emp.db") as running:
        filled(trial, running)
        file = tmp_path / f"{DEVICE}.xml"
        file.write_text(running.ask("GET", f"/devices/{DEVICE.uri}.xml?q.fromidx=1&q.count=3").text)
        assert main(["verify", str(file), "--certificate", str(sig)]) == 1
        told = capsys.readouterr().out
        assert "3 rows; values: 3 signed, 0 not signed, 1 wrong, 2 unknown signer" in told
        file.rename(tmp_path / "rows.xml")
        first = running.ask("GET", f"/devices/{DEVICE.uri}.xml?q.fromidx=1&q.count=1").text
        (tmp_path / "rows.xml").write_text(first)
    assert main(["verify", str(tmp_path / "rows.xml"), "--certificate", str(sig)]) == 2
    assert "write --device ID" in capsys.readouterr().err
    arguments = ["verify", str(tmp_path / "rows.xml"), "--certificate", str(sig), "--device", str(DEVICE)]
    assert main(arguments) == 0
    assert "1 rows; values: 2 signed, 0 not signed, 0 wrong" in capsys.readouterr().out
