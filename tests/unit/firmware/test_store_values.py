import pytest
from smgw.cosem.data import Data, DataType
from smgw.errors import LocalProtocolError
from smgw.store.lmn.values import from_column, to_column


def test_the_largest_u64_is_minus_one_as_a_column():
    data = Data(DataType.LONG64_UNSIGNED, 2**64 - 1)

    assert to_column(data) == -1
    assert from_column(data.type, -1) == data


def test_minus_one_stays_minus_one_in_a_signed_type():
    assert from_column(DataType.LONG64, -1) == Data(DataType.LONG64, -1)


def test_text_goes_in_as_octets():
    assert to_column(Data(DataType.UTF8_STRING, "Zähler")) == "Zähler".encode()


@pytest.mark.parametrize(
    "wrong",
    [
        Data(DataType.LONG64, 2**63),
        Data(DataType.LONG64_UNSIGNED, 2**64),
        Data(DataType.LONG64_UNSIGNED, -1),
        Data(DataType.OCTET_STRING, "text"),
        Data(DataType.VISIBLE_STRING, b"octets"),
        Data(DataType.STRUCTURE, b"octets"),
        Data(DataType.STRUCTURE, 5),
        Data(DataType.LONG, (Data(DataType.LONG, 1),)),
        Data(DataType.STRUCTURE, (Data(DataType.LONG64, 2**63),)),
    ],
)
def test_a_value_that_does_not_suit_its_type_is_refused(wrong):
    with pytest.raises(LocalProtocolError):
        to_column(wrong)


@pytest.mark.parametrize(("kind", "column"), [(99, 5), (DataType.ARRAY, b"\x01"), (DataType.UTF8_STRING, b"\xff")])
def test_a_column_of_noise_is_a_value_error(kind, column):
    with pytest.raises(ValueError, match=r"."):
        from_column(kind, column)
