"""What the agent needs of a holder of keys besides `Keys`."""

from typing import Protocol

from smgw.trust.errors import TrustError
from smgw.trust.keys import Keys


class HeldKeys(Keys, Protocol):
    """Keys in this process, or in a security module that this process alone uses."""

    def refresh(self) -> bool:
        """Look for changes; True if there was one. A fault does not raise: it stands in `faults`."""
        ...

    @property
    def faults(self) -> tuple[TrustError, ...]:
        """What cannot be used now."""
        ...

    @property
    def described(self) -> str:
        """What is held, for people."""
        ...

    def close(self) -> None:
        """Forget the keys. The holder is not used after that."""
        ...
