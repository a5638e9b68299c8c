"""What the WAN process lends to its outlets: trust folder, time, private keys."""

from collections.abc import Callable
from pathlib import Path

from smgw.cosem import ClockState, Stamp
from smgw.profiles.keys import KeysProfile
from smgw.profiles.password import located
from smgw.store import paths
from smgw.trust.keys import Keys
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.validity import Moment
from smgw.wan.outlet import Handshakes, Surroundings


def surroundings(
    state: Path,
    keys: KeysProfile,
    directory: Path,
    now: Callable[[], Stamp],
    note_handshakes: Callable[[Handshakes], None] = lambda _: None,
) -> Surroundings:
    """Of the gateway with this state directory. `directory` is where the configuration stands. No file is read now."""
    trust = paths.trust_directory(state)

    def moment() -> Moment:
        stamp = now()
        return Moment(stamp.utc_us // 1_000_000, trusted=stamp.state is ClockState.SYNCHRONISED)

    def open_keys() -> Keys:
        from smgw.trust.keys import holder  # loads a large library, which plain HTTP does not need

        return holder.open_keys(paths.run_directory(state), trust, keys, directory)

    def passphrase() -> bytes:
        return read_passphrase(located(keys.passphrase_file, directory)) if keys.passphrase_file else b""

    return Surroundings(trust, moment, open_keys, passphrase, note_handshakes)
