"""Opens the gateway's private keys for signature and encryption: the agent's where it runs, else this process's own."""

from pathlib import Path

from smgw.profiles.keys import KeysProfile
from smgw.profiles.password import located
from smgw.trust.errors import FileError, KeysUnavailableError, TrustError
from smgw.trust.keys.agent import AgentKeys
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.keys.held import HeldKeys

_HERE = KeysProfile()


def open_keys(run: Path, trust: Path, profile: KeysProfile = _HERE, directory: Path = Path()) -> "GatewayKeys":
    """The keys for a process of the gateway. Nothing is read now: a fault shows at the first use, and passes.

    `run` is the run directory, `trust` the trust folder, `profile` the table [keys] of a configuration that stands in
    `directory`. The keys may be used by several threads.
    """
    return GatewayKeys(AgentKeys(run), trust, profile, directory)


def held_here(trust: Path, profile: KeysProfile, directory: Path) -> HeldKeys:
    """The keys as this process holds them itself: for the agent, and for a gateway without one."""
    if profile.in_token and profile.module and profile.pin_file:
        from smgw.trust.keys.token import TokenKeys  # few gateways have one

        return TokenKeys(profile.module, profile.token, located(profile.pin_file, directory))
    passphrase = profile.passphrase_file
    return FolderKeys(trust, passphrase and located(passphrase, directory))


class GatewayKeys:
    """Fulfils `Keys`. It looks at each call whether the agent is there: that may start later than this process."""

    def __init__(self, agent: AgentKeys, trust: Path, profile: KeysProfile, directory: Path) -> None:
        self._agent = agent
        self._own = held_here(trust, profile, directory)

    def sign(self, name: str, digest: bytes) -> bytes:
        if self._agent.present:
            return self._agent.sign(name, digest)
        try:
            return self._own.sign(name, digest)
        except (FileError, KeysUnavailableError) as error:
            raise self._with_agent(error) from None

    def agree(self, name: str, point: bytes) -> bytes:
        if self._agent.present:
            return self._agent.agree(name, point)
        try:
            return self._own.agree(name, point)
        except (FileError, KeysUnavailableError) as error:
            raise self._with_agent(error) from None

    def random(self, count: int) -> bytes:
        return self._agent.random(count) if self._agent.present else self._own.random(count)

    def close(self) -> None:
        """Leave the token, if this process has one open."""
        self._own.close()

    def _with_agent(self, error: TrustError) -> TrustError:
        """An installed gateway has an agent, and only that may read the files."""
        error.remedy += " If the agent should hold the keys, start it: systemctl start smgw-keys."
        return error
