"""All file names in the state directory, its sub-directories and the run directory."""

from pathlib import Path

#: The state directory of the installed gateway, and its run directory, which is a tmpfs.
STATE, RUN = Path("/var/lib/smgw"), Path("/run/smgw")
LMN = "lmn.db"
WAN = "wan.db"
HAN = "han.db"


def lmn_directory(state: Path) -> Path:
    """The directory of lmn.db, which only the LMN process's user writes."""
    return state / "lmn"


def wan_directory(state: Path) -> Path:
    """The directory of wan.db, which only the WAN process's user writes."""
    return state / "wan"


def han_directory(state: Path) -> Path:
    """The directory of han.db and of the certificate for the house, which only the HAN process's user writes."""
    return state / "han"


def trust_directory(state: Path) -> Path:
    """The directory of certificates and private keys; the room `trust` says what is in it."""
    return state / "trust"


def pulse_directory(state: Path) -> Path:
    """The directory of the counts of pulses, which only the LMN process's user writes."""
    return lmn_directory(state) / "pulses"


def update_directory(state: Path) -> Path:
    """The directory of updates, which only the user smgw-update writes."""
    return state / "update"


def run_directory(state: Path) -> Path:
    """The directory of files that end with the processes. For a gateway without systemd see `run_directory`."""
    return RUN if state == STATE else state / "run"


def has_certificates(state: Path) -> bool:
    """Whether there are certificates of the gateway's own in its trust folder, as far as this user may look."""
    try:
        return any((trust_directory(state) / "own").iterdir())
    except OSError:
        return False


def live_directory(state: Path) -> Path:
    """The directory of the live values, which only the LMN process's user writes."""
    return run_directory(state) / "live"


def shutdown_order(state: Path) -> Path:
    """The file that orders a shutdown; systemd waits for it (smgw-poweroff.path)."""
    return run_directory(state) / "board" / "poweroff"


def wal_of(database: Path) -> Path:
    """SQLite's write-ahead log beside a database: committed rows live here until they are checkpointed."""
    return database.with_name(database.name + "-wal")


def shm_of(database: Path) -> Path:
    """SQLite's shared index of the write-ahead log."""
    return database.with_name(database.name + "-shm")


def lock_of(database: Path) -> Path:
    """The lock file of the writer. It stays when its owner ends."""
    return database.with_name(database.name + ".lock")


def ballast_of(database: Path) -> Path:
    """Disk space held in reserve: `lmn.ballast` beside `lmn.db`."""
    return database.with_suffix(".ballast")


def build_of(database: Path) -> Path:
    """An unfinished database. It gets its final name when it is complete."""
    return database.with_name(database.name + ".new")


def files_of(database: Path) -> tuple[Path, ...]:
    """All files that a writer makes and uses again at its next start."""
    reserve = ballast_of(database)
    return (database, wal_of(database), shm_of(database), lock_of(database), reserve, build_of(database))


def aside_of(database: Path, number: int) -> Path:
    """The path of the n-th damaged database."""
    return database.with_name(f"{database.name}.corrupt-{number}")
