"""The secrets of a meter: read from the files that its profile names, and never shown."""

from pathlib import Path
from typing import Self

from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import read_password


class Secrets:
    """What a meter's profile names and does not hold. Its text tells names only."""

    __slots__ = ("_held",)

    def __init__(self, held: dict[str, bytes] | None = None) -> None:
        self._held = dict(held or {})

    @classmethod
    def read(cls, profile: MeterProfile, directory: Path) -> Self:
        """Of this profile, whose relative paths start at `directory`. Raises PasswordFileError."""
        return cls({"password": read_password(profile.password_file, directory)} if profile.password_file else None)

    @property
    def password(self) -> bytes | None:
        """Of SML and of low level security."""
        return self._held.get("password")

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._held)})"
