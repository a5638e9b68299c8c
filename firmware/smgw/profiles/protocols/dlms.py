"""DLMS/COSEM, asked over HDLC or the wrapper."""

from collections.abc import Iterator, Mapping
from typing import Any

from smgw.profiles import dlms
from smgw.profiles.dlms import Authentication, Framing, Start
from smgw.profiles.protocol import Form, Protocol, SecretFile, Section
from smgw.wire.kind import Kind

_WITH_PASSWORD = (
    Authentication.LOW, Authentication.HIGH_AES, Authentication.HIGH_MD5, Authentication.HIGH_SHA1,
    Authentication.HIGH_SHA256,
)  # fmt: skip

#: Keys of pushing meters -> what is right instead.
_PUSH_ONLY = {
    **dict.fromkeys(("columns", "push_list"), 'it describes pushes; leave it out, or write protocol = "dlms-push"'),
    "authentication_key": "only pushes can be read without their authentication key; write authentication_key_file",
}


def _address(table: Mapping[str, Any]) -> str:
    found = table.get("dlms")
    section: Mapping[str, Any] = found if isinstance(found, dict) else {}
    return repr([section.get("server", 1), section.get("physical"), section.get("device_address", "")])


def _carrier(table: Mapping[str, Any]) -> Mapping[str, object]:
    found = table.get("dlms")
    section: Mapping[str, Any] = found if isinstance(found, dict) else {}
    return {"dlms.framing": section.get("framing", Framing.HDLC), "dlms.start": section.get("start", Start.DIRECT)}


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    section = values.get("dlms", dlms.DlmsProfile())
    if section.framing is Framing.MBUS:
        yield "dlms", 'over M-Bus a meter pushes; write protocol = "dlms-push"'
    if section.ciphered and section.authentication_key_file is None:
        yield "dlms", "ciphered requests need two keys; write authentication_key_file too"
    secret = section.authentication in _WITH_PASSWORD
    if secret and "password_file" not in values and section.challenge_key_file is None:
        yield "dlms", f'authentication "{section.authentication}" needs a secret; write password_file for the meter too'
    if "password_file" in values and section.challenge_key_file is not None:
        yield "password_file", "challenge_key_file holds the secret already; leave one of the two out"
    if not secret and "password_file" in values:
        yield (
            "password_file",
            f'authentication "{section.authentication}" uses no password; leave it out, or write authentication = '
            '"lls" (or hls-aes, hls-md5, hls-sha1, hls-sha256) in the section dlms',
        )
    if str(values.get("port", "")).startswith("udp://") and section.framing is not Framing.WRAPPER:
        yield "port", 'UDP carries the wrapper alone; write dlms = { framing = "wrapper" }'


def _reads(options: dlms.DlmsProfile | None) -> tuple[str, ...]:
    """HDLC frames; of an optical head that echoes, the sign-on too. The wrapper comes over no line that can disturb."""
    if options is not None and options.framing is Framing.WRAPPER:
        return (Kind.WRAPPER, Kind.NOISE, Kind.WRONG_SPEED, Kind.SEVEN_BITS, Kind.INVERTED, Kind.LINE_ENDS)
    signs_on = options is not None and options.start is Start.MODE_E
    return (Kind.HDLC, Kind.D0, Kind.TEXT) if signs_on else (Kind.HDLC,)


PROTOCOL = Protocol(
    name="dlms",
    polled=True,
    meter="smgw.lmn.dlms.poll:DlmsPoll",
    keys=("interval", "timeout", "retries", "password_file", "load_profile", "load_profile_days"),
    refused={
        "username": "DLMS knows clients by number, not by name; write client in the section dlms",
        "correct_power_sign": "only SML meters have this habit; leave it out",
    },
    section=Section(
        "dlms",
        {key: rule for key, rule in dlms.KEYS.items() if key not in _PUSH_ONLY},
        dlms.build,
        dlms.contradictions,
        refused=_PUSH_ONLY,
    ),
    secrets=(
        SecretFile("password", "password_file", Form.TEXT, False, dlms.secret_length),
        SecretFile("challenge_key", "challenge_key_file", Form.HEX, True, lambda _: 16),
        SecretFile("encryption_key", "encryption_key_file", Form.HEX, True, dlms.key_length),
        SecretFile("authentication_key", "authentication_key_file", Form.HEX, True, dlms.key_length),
        SecretFile("signing_key", "signing_key_file", Form.PEM, True),
        SecretFile("meter_key", "meter_key_file", Form.PEM, True),
    ),
    address=_address,
    carrier=_carrier,
    contradictions=_contradictions,
    needs_counters=lambda options: options is not None and options.ciphered,
    reads=_reads,
    instead={
        Kind.D0: 'if the meter knows mode E, {how} and dlms = { start = "mode-e" }',
        Kind.WRAPPER: '{how} and dlms = { framing = "wrapper" }',
    },
    on_udp=True,
    scan="smgw.lmn.dlms.scan:POLL",
    dump="dlms",
    printer="smgw.dump.dlms:make",
)
