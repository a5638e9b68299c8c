"""`smgw support-bundle`: data for support, in one file."""

import argparse
import io
import os
import tarfile
import time
from pathlib import Path

from smgw.errors import SmgwError, reason
from smgw.reports.support import collect

_EPILOG = """\
Configuration, status, log books, journal of seven days, units, versions, devices, and the newest readings of each meter
in hex. Passwords and keys are left out. Check it before you send it: it is a .tar.gz of texts.
Run it as root: otherwise files that only root can read are missing. Services are not affected.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="default: ./smgw-support-<date>.tar.gz")
    parser.add_argument("--redact-ids", action="store_true", help="device-1, device-2, ... for the ids of devices")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Collect and pack."""
    name = time.strftime("smgw-support-%Y%m%d-%H%M%S")
    file = arguments.file or Path(f"{name}.tar.gz")
    texts = collect(arguments.config, arguments.state, redact_ids=arguments.redact_ids)
    try:
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for text_name, text in texts.items():
                octets = text.encode(errors="replace")
                entry = tarfile.TarInfo(f"{name}/{text_name}")
                entry.size, entry.mtime, entry.mode = len(octets), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(octets))
    except OSError as error:
        raise SmgwError(f"{file}: cannot be written ({reason(error)}); name a file where you may write") from error
    print(f"{file}: {len(texts)} texts; look into it before you send it")
    return 0
