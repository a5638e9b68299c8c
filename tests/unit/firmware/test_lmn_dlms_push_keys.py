"""Ciphered pushes of which the operator gives one key only."""

from pathlib import Path

import pytest
from captures import field_case
from pushing_meter import reader, refusals, values
from smgw.cosem import Capture, DeviceId, GatewayStatus, Obis
from smgw.cosem.quality import gateway_status
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.lmn.dlms.push import DlmsPush
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.secrets import Secrets

KEY, AUTHENTICATION = bytes(range(16)), bytes(range(16, 32))
TITLE = b"HLZ\0\0\0\0\1"
ENERGY = Obis.parse("1-0:1.8.0")
#: {1-0:1.8.0, 100, {0, Wh}}
PLAIN = DataNotification(1, b"", bytes.fromhex("02010203090601000108 00ff06000000640202 0f00161e")).encode()


def ciphered(protection: Protection = Protection.BOTH, counter: int = 1, key: bytes = KEY) -> bytes:
    keys = Keys.of(Suite.AES_GCM_128, key, AUTHENTICATION)
    return Ciphered(GENERAL_GLO, seal(keys, protection, TITLE, counter, PLAIN), TITLE).encode()


def with_key(key: str = "", **held: bytes) -> DlmsPush:
    options = DlmsProfile(encryption_key_file=Path("e"), authentication_key=key)
    return reader(options, Secrets(encryption_key=KEY, **held))


def test_a_tag_without_the_key_to_check_it_names_the_missing_key() -> None:
    (reason,) = refusals(ciphered(), made=with_key())
    assert "write authentication_key_file" in reason
    assert 'authentication_key = "none"' in reason


@pytest.mark.parametrize("protection", [Protection.BOTH, Protection.AUTHENTICATED])
def test_with_none_in_its_place_the_push_is_read_and_every_value_flagged(protection: Protection) -> None:
    found = values(ciphered(protection), made=with_key("none"))
    assert [(one.obis, one.value.value) for one in found.readings] == [(ENERGY, 100)]
    capture = Capture("flat", found.device, found.stamp, None, found.readings, flags=found.flags)
    assert gateway_status(capture) & GatewayStatus.NOT_VALIDATED
    assert "without its authentication key" in found.remark


def test_what_is_only_encrypted_has_nothing_to_check_and_no_flag() -> None:
    found = values(ciphered(Protection.ENCRYPTED), made=with_key("none"))
    assert (found.flags, found.remark) == (0, "")


def test_with_the_right_key_nothing_is_flagged() -> None:
    found = values(ciphered(), made=with_key(authentication_key=AUTHENTICATION))
    assert found.flags == 0


def test_another_encryption_key_gives_no_values() -> None:
    (reason,) = refusals(ciphered(key=bytes(16)), made=with_key("none"))
    assert "the encryption key is that of another meter" in reason


def test_a_push_recorded_and_sent_again_is_refused_without_a_key_too() -> None:
    made = with_key("none")
    values(ciphered(), made=made)
    (reason,) = refusals(ciphered(), made=made)
    assert "an old one" in reason


def test_the_push_of_an_operator_who_gives_one_key() -> None:
    apdu = field_case("dlms/tag_without_authentication_key")
    assert refusals(apdu, made=with_key())
    found = values(apdu, made=with_key("none"))
    assert [(one.obis, one.value.value, one.unit) for one in found.readings] == [(ENERGY, 100, 30)]
    assert found.device == DeviceId(b"\x4c\x47\x5a\0\0\0\0\1")
    assert found.flags == GatewayStatus.NOT_VALIDATED
