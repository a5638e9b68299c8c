"""`smgw update install`: order an update, and show how it goes. smgw-update.service does the work."""

import argparse
import os
from pathlib import Path

from smgw.cli.update.prepare import ORDER, is_url, refuse_during_trial
from smgw.errors import reason
from smgw.store import paths
from smgw.update import rauc
from smgw.update.rauc import UpdateError, booted_slot
from smgw.update.units import follow, start

_EPILOG = """\
The new version starts with the next boot: sudo systemctl reboot. Nothing happens to the running one.
Exit code 0 if the bundle is installed, 2 if it is refused or the installation failed.
"""
UNIT = "smgw-update.service"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to install."""
    parser.add_argument("source", metavar="FILE|URL", help="a bundle (.raucb), or where a web server has it")
    parser.add_argument("--reboot", action="store_true", help="boot the new version at once")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Order it, and print what the unit says."""
    source: str = arguments.source
    rauc.compatible()
    refuse_during_trial(paths.update_directory(arguments.state), booted_slot())
    file = None if is_url(source) else Path(source).absolute()
    if file is not None and not file.is_file():
        raise UpdateError(f"{file}: there is no such file; name a bundle or its URL (http://, https://)")
    if os.geteuid() != 0:
        raise UpdateError(f"only root may install an update: sudo smgw update install {source}")
    folder = ORDER.parent
    log, given = folder / "log", folder / "source"
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        ORDER.write_text(f"{source if file is None else file}\n", encoding="utf-8")
        log.unlink(missing_ok=True)
        given.unlink(missing_ok=True)
        given.symlink_to("/dev/null" if file is None else file)
    except OSError as error:
        raise UpdateError(f"{folder}: the order cannot be written: {reason(error)}") from error
    if not follow(UNIT, log):
        raise UpdateError("nothing was changed for the running version; see above, and: journalctl -u smgw-update")
    if arguments.reboot:
        start("reboot.target", "--no-block")
    return 0
