"""Which user of the system a private key belongs to: each process reads its own keys and no other's."""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.certificate import Purpose
from smgw.trust.errors import FileError

#: Who uses the keys of the gateway's triple: TLS the WAN process, the other two the process that holds keys.
USERS: Final = {Purpose.TLS: "smgw-wan", Purpose.SIGNATURE: "smgw-keys", Purpose.ENCRYPTION: "smgw-keys"}


def owner(user: str) -> tuple[int, int] | None:
    """User and group that a private file is given to. None: it stays with whoever runs this.

    Only root can give a file away. Without the package's users, such as in a lab, one user runs all processes.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def give_keys(folders: Iterable[Path]) -> None:
    """Give the keys of triples to their users, for keys that were made before the users were there.

    :raises FileError: it is not possible.
    """
    for folder in folders:
        for purpose, user in USERS.items():
            file = folder / f"{purpose.value}.key"
            if (wanted := owner(user)) is None or not file.exists():
                continue
            try:
                os.chown(file, *wanted, follow_symlinks=False)
            except OSError as error:
                raise FileError(f"cannot be given to {user} ({reason(error)})", "Do it as root.", file=file) from None
