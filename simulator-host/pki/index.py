"""The index of a trial's PKI: all that was issued and revoked. It is the only truth; the other public files follow it.

It is one JSON file, replaced as a whole: a kill or a power cut leaves the state before or after a command. A
certificate is in it before anybody can get the certificate, so everything that is in the field can be revoked.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from smgw.trust.certificate import Certificate, Purpose, blocks
from smgw.trust.errors import FileError, TrustError
from smgw.trust.files import PRIVATE, replace
from smgw.trust.names import Role

VERSION: Final = 1


@dataclass
class Entry:
    """One certificate."""

    pem: str
    generation: int
    revoked_s: int | None = None

    def __post_init__(self) -> None:
        self.certificate = Certificate(blocks(self.pem.encode(), "CERTIFICATE")[0])

    @property
    def name(self) -> str:
        """The common name of its owner."""
        return self.certificate.subject.common_name

    def state(self, now_s: int) -> str:
        """`valid`, `revoked` or `expired`."""
        if self.revoked_s is not None:
            return "revoked"
        return "expired" if self.certificate.not_after_s < now_s else "valid"


@dataclass
class Index:
    """What the file holds."""

    curve: str
    crl_url: str
    contact: str
    entries: list[Entry] = field(default_factory=list)
    lists: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By the file name of an authority: number and PEM of its newest revocation list."""

    @property
    def authorities(self) -> list[Entry]:
        """Root and sub-CAs, oldest first."""
        return [one for one in self.entries if one.certificate.purpose is Purpose.AUTHORITY]

    @property
    def root(self) -> Entry:
        """The newest root."""
        return [one for one in self.authorities if one.certificate.subject.role is Role.ROOT][-1]

    @property
    def sub_ca(self) -> Entry:
        """The newest sub-CA, which issues."""
        return [one for one in self.authorities if one.certificate.subject.role is Role.CA][-1]

    def of(self, name: str) -> list[Entry]:
        """The entries of a participant by common name, or by its id or organization alone."""
        found = [one for one in self.entries if one.name.lower() == name.lower()]
        return found or [one for one in self.entries if one.certificate.subject.owner.lower() == name.lower()]

    def save(self, file: Path) -> None:
        """Replace the file.

        :raises FileError: it cannot be written; then nothing has changed.
        """
        replace(file, json.dumps({"version": VERSION, **asdict(self)}, indent=1).encode() + b"\n", PRIVATE)

    @classmethod
    def load(cls, file: Path) -> "Index":
        """Read the file.

        :raises FileError: it is absent or damaged.
        """
        try:
            octets = file.read_bytes()
        except FileNotFoundError:
            raise FileError(
                "there is no PKI here", "Make one with `smgw-pki init`, or name it with --pki.", file=file
            ) from None
        try:
            content = json.loads(octets)
            if content.pop("version") != VERSION:
                raise ValueError("written by another version")
            content["entries"] = [Entry(**one) for one in content["entries"]]
            content["lists"] = {name: (int(number), str(pem)) for name, (number, pem) in content["lists"].items()}
            return cls(**content)
        except (ValueError, KeyError, TypeError, AttributeError, TrustError) as error:
            raise FileError(f"the index is damaged ({error})", "Restore the folder from a backup.", file=file) from None
