"""A key that stands in the wrong place: the message names the right place, and no advice is refused afterwards."""

import pytest
from smgw.profiles import ConfigurationError
from smgw.profiles.toml_importer import parse

GATEWAY = '[gateway]\ndevice_id = "ESMG0000000001"\n'
DLMS = '[[meter]]\nname = "a"\nprotocol = "dlms"\nport = "/dev/ttyUSB0"\n'
PUSH = '[[meter]]\nname = "b"\nprotocol = "sml-push"\nport = "/dev/ttyUSB1"\n'
POLL = '[[meter]]\nname = "c"\nprotocol = "sml-poll"\nport = "/dev/ttyUSB2"\n'
EMP = '[[emp]]\nname = "e"\nurl = "http://h"\ninsecure = true\n'


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GATEWAY + 'time_zone = "Europe/Berlin"\n' + DLMS,
            "g.toml:3: [gateway] time_zone: unknown key; "
            "it belongs in the section d0 of [[meter]] or the section dlms of [[meter]]",
        ),
        (
            GATEWAY + "grid_months = 3\n" + DLMS,
            "g.toml:3: [gateway] grid_months: unknown key; it belongs in the section retention of [gateway]",
        ),
        (
            GATEWAY + DLMS + "physical = 17\n",
            "g.toml:7: [[meter]] physical: it belongs in the section dlms of this meter; "
            "write dlms = { physical = ... }",
        ),
        (
            GATEWAY + PUSH + 'time_zone = "Europe/Berlin"\n',
            "g.toml:7: [[meter]] time_zone: sml-push does not use it; leave it out "
            "(it belongs to d0, in the section d0 or to dlms, in the section dlms)",
        ),
        (GATEWAY + PUSH + EMP + "client = 1\n", "it belongs in the section dlms of [[meter]]"),
        (
            GATEWAY + PUSH + EMP + 'password_file = "x"\n',
            "g.toml:11: [[emp]] password_file: unknown key; it belongs in [[meter]]",
        ),
        (
            GATEWAY + DLMS + 'dlms = { authentication = "lls", password_file = "x" }\n',
            "g.toml:7: [[meter]] dlms.password_file: unknown key; it belongs in [[meter]]",
        ),
        (
            GATEWAY + DLMS + 'dlms = { password = "x" }\n',
            "[[meter]] dlms.password: unknown key; a password never stands here; write it into a file of mode 0600, "
            "and password_file in [[meter]]",
        ),
        (GATEWAY + PUSH + 'password = "x"\n', "[[meter]] password: sml-push uses no password; leave it out"),
    ],
)
def test_the_message_names_the_place_where_a_key_belongs(text: str, said: str) -> None:
    (fault,) = faults(text)
    assert said in fault


@pytest.mark.parametrize("protocol", [DLMS, PUSH, POLL])
@pytest.mark.parametrize("key", ["password", "client_secret", "password_file", "username"])
def test_no_advice_names_a_key_that_is_then_unknown(protocol: str, key: str) -> None:
    try:
        parse(GATEWAY + protocol + f'{key} = "x"\n', "g.toml")
    except ConfigurationError as error:
        if "write it into a file" in str(error):
            assert "unknown" not in "".join(faults_of(GATEWAY + protocol + 'password_file = "x"\n'))


def faults_of(text: str) -> list[str]:
    try:
        parse(text, "g.toml")
    except ConfigurationError as error:
        return str(error).splitlines()
    return []
