"""Read-only access to han.db."""

from pathlib import Path
from typing import Self

from smgw.store import paths
from smgw.store.file.view import View
from smgw.store.han.records import Account, Pinned
from smgw.store.han.schema import han_schema


class HanView(View):
    """Accounts, certificates, log books. Opening needs no right to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, han_schema())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open han.db in its directory; StoreAbsent, StoreDamaged, StoreTooNew."""
        return cls(directory / paths.HAN)

    def accounts(self) -> list[Account]:
        """All accounts, by role and name."""
        query = "SELECT role, name, realm, sha256, md5, changed_us FROM account ORDER BY role, name"
        return [Account(*row) for row in self._typed("ttttti", query)]

    def certificates(self) -> list[Pinned]:
        """All pinned certificates, by account."""
        query = "SELECT fingerprint, role, name, der, added_us FROM certificate ORDER BY role, name, added_us"
        return [Pinned(*row) for row in self._typed("ottoi", query)]
