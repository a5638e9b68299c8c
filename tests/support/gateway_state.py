"""A state directory as a running LMN process leaves it, made in the test's own process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smgw.store import paths
from smgw.store.live import LiveWriter
from smgw.store.lmn.store import LmnStore

CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "{port}"
[[meter]]
name = "roof"
protocol = "sml-push"
port = "/nowhere/roof"
registration_period = 0
"""


class GatewayState:
    """A configuration of two meters, a store that this process owns, and its live values."""

    def __init__(self, folder: Path, store: LmnStore, port: str) -> None:
        self.file = folder / "gateway.toml"
        self.file.write_text(CONFIGURATION.format(port=port))
        self.state = folder / "state"
        self.store = store
        self.live = LiveWriter(paths.live_directory(self.state), {"house": port, "roof": "/nowhere/roof"})

    @property
    def arguments(self) -> list[str]:
        """What every command is told."""
        return ["--config", str(self.file), "--state", str(self.state)]


@contextmanager
def gateway_state(folder: Path, port: str = "/nowhere/house") -> Iterator[GatewayState]:
    """Within the block the LMN process seems to run."""
    (folder / "state").mkdir()
    with LmnStore.open(paths.lmn_directory(folder / "state"), ballast_bytes=0) as store:
        yield GatewayState(folder, store, port)
