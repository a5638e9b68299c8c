"""SML, asked by request files (GetProcParameter, GetList, GetProfilePack)."""

from smgw.profiles.protocol import Form, Protocol, SecretFile
from smgw.wire.kind import Kind

PROTOCOL = Protocol(
    name="sml-poll",
    polled=True,
    meter="smgw.lmn.sml.poll:SmlPoll",
    keys=(
        "interval", "timeout", "retries", "username", "password_file", "load_profile", "load_profile_days",
        "correct_power_sign",
    ),
    secrets=(SecretFile("password", "password_file", Form.TEXT),),
    reads=lambda _: (Kind.SML,),
    scan="smgw.lmn.sml.scan:POLL",
    dump="sml",
    printer="smgw.dump.sml:make",
)  # fmt: skip
