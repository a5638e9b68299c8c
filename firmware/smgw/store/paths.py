"""What lies in the state directory, in those below it and in the run directory: one place for every file name."""

from pathlib import Path

#: The state directory of the installed gateway, and its run directory, which is a tmpfs.
STATE, RUN = Path("/var/lib/smgw"), Path("/run/smgw")
LMN = "lmn.db"
WAN = "wan.db"


def lmn_directory(state: Path) -> Path:
    """The directory of lmn.db, which only the LMN process's user writes."""
    return state / "lmn"


def wan_directory(state: Path) -> Path:
    """The directory of wan.db, which only the WAN process's user writes."""
    return state / "wan"


def run_directory(state: Path) -> Path:
    """The directory of what lives no longer than the processes do; see `run_directory` for that of a lab."""
    return RUN if state == STATE else state / "run"


def live_directory(state: Path) -> Path:
    """The directory of the live values, which only the LMN process's user writes."""
    return run_directory(state) / "live"


def wal_of(database: Path) -> Path:
    """SQLite's write-ahead log beside a database: committed rows live here until they are checkpointed."""
    return database.with_name(database.name + "-wal")


def shm_of(database: Path) -> Path:
    """SQLite's shared index of the write-ahead log."""
    return database.with_name(database.name + "-shm")


def lock_of(database: Path) -> Path:
    """The file whose flock says who writes; it stays when its owner ends."""
    return database.with_name(database.name + ".lock")


def ballast_of(database: Path) -> Path:
    """Disk space held in reserve: `lmn.ballast` beside `lmn.db`."""
    return database.with_suffix(".ballast")


def build_of(database: Path) -> Path:
    """A database in the making; it takes its final name when it is whole."""
    return database.with_name(database.name + ".new")


def files_of(database: Path) -> tuple[Path, ...]:
    """All that a writer makes for itself and finds again at its next start."""
    reserve = ballast_of(database)
    return (database, wal_of(database), shm_of(database), lock_of(database), reserve, build_of(database))


def aside_of(database: Path, number: int) -> Path:
    """Where the n-th damaged database is kept."""
    return database.with_name(f"{database.name}.corrupt-{number}")
