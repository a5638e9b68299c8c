"""The builder's key for bundles, and its certificate, which is all that an image gets of it.

Both lie in ${SMGW_SIGNING:-${XDG_CONFIG_HOME:-~/.config}/smgw-signing}: bundle.key and bundle.pem. They are made when
an image or a bundle is built for the first time. Back up the folder: without the key no card can be updated.
A key of your own PKI goes there too; its certificate must be for code signing (extended key usage).
"""

import os
import subprocess
from pathlib import Path

#: The card may be older than any update that comes for it.
_DAYS = 365 * 30


def folder() -> Path:
    """Where key and certificate lie."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(os.environ.get("SMGW_SIGNING") or Path(base) / "smgw-signing")


def certificate() -> Path:
    """The certificate; made with its key if there is none."""
    found = folder() / "bundle.pem"
    if not found.exists():
        _make(found, key())
    return found


def key() -> Path:
    """The private key, which only its owner can read."""
    return folder() / "bundle.key"


def _make(made: Path, private: Path) -> None:
    if private.exists():
        raise SystemExit(f"make image: {private} has no certificate beside it; restore {made} from your backup")
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = made.with_suffix(".new")
    done = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-sha256", "-days", str(_DAYS), "-subj", "/CN=smgw bundles", "-keyout", str(private), "-out", str(new)),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"),
            *("-addext", "extendedKeyUsage=critical,codeSigning"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"make image: openssl could not make {private}: {done.stderr.strip()}")
    private.chmod(0o600)
    new.rename(made)
    print(f"made {private} and {made.name}: back up this folder; bundles for cards of this image need it")
