"""Text of a meter is no formula in a spreadsheet; a number stays a number."""

import pytest
from smgw.cli.profile_rows import FORMATS, Table
from smgw.cosem import Data, DataType, Obis, Reading
from smgw.cosem.csv_cell import guarded
from smgw.store.records import ProfileRow


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@A1", "\t=1", "\r=1", "\n=1", "-", "-1e5", "\uff1d1", "+49"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-5", "-0.50", "12", "a=1", "0x10", "[1, 2]", "-1, 30", "1=1"])
def test_other_text_and_numbers_stay(text):
    assert guarded(text) == text


@pytest.mark.parametrize(
    "value",
    [
        Data(DataType.VISIBLE_STRING, "=1+1"),
        Data(DataType.STRUCTURE, (Data(DataType.UTF8_STRING, "=1+1"),)),
    ],
    ids=["text", "structure"],
)
def test_a_load_profile_as_csv_has_no_formula(value, capsys):
    reading = Reading(Obis.parse("0-0:96.1.0*255"), value)
    Table(FORMATS["csv"]).take(ProfileRow(0, None, (reading,)))
    assert "'=1+1" in capsys.readouterr().out.splitlines()[1]
