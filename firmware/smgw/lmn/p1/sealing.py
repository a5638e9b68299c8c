"""Opens encrypted telegrams of P1. Imports `cryptography`."""

from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.security.suites import Keys, Suite, unseal
from smgw.errors import RemoteProtocolError
from smgw.lmn.contract import PushKeeper
from smgw.lmn.replay import Replays, key_id
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import NO_KEY
from smgw.profiles.secrets import Secrets

#: Luxembourg's authentication key of all meters, as its document for customers prints it.
PUBLISHED_KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


class KeyedSealing:
    """The keys of one meter, and the newest counter of each title that used them."""

    def __init__(self, profile: MeterProfile, secrets: Secrets, keeper: PushKeeper | None) -> None:
        encryption = secrets["encryption_key"]
        self._name = profile.name
        self._keys = Keys.of(Suite.AES_GCM_128, encryption, secrets.get("authentication_key", PUBLISHED_KEY))
        self._verify = profile.options.authentication_key != NO_KEY
        self._replays = Replays(profile.name, key_id(encryption), keeper)

    def open(self, sealed: Ciphered) -> bytes:
        """The text inside; RemoteProtocolError if the keys do not open it, or if it is a repetition."""
        title = sealed.system_title or b""
        opened = unseal(self._keys, title, sealed.octets, verify=self._verify)
        if not self._replays.is_new(title, opened.counter):
            raise RemoteProtocolError(
                f"a telegram with counter {opened.counter} again: an old one; if the meter was reset or exchanged, "
                f"run: smgw retry {self._name}"
            )
        return opened.text

    def believe(self, sealed: Ciphered) -> None:
        """It held a telegram: its counter counts from here on."""
        self._replays.take(sealed.system_title or b"", sealed.invocation_counter)
