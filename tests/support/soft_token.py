"""A token of SoftHSM in a folder: made, removed, brought back. Skips loudly where SoftHSM or the binding is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SO_PIN = "4711-0815-42", "80154711-so"


class SoftToken:
    """The token `label`; its configuration is in the environment while `monkeypatch` holds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, label: str = "smgw") -> None:
        if shutil.which("softhsm2-util") is None or not MODULE.exists():
            pytest.skip("MISSING SoftHSM, sudo apt-get install softhsm2: no security module")
        pytest.importorskip("PyKCS11", reason="PyKCS11 is no pin (no wheel for a Pi): this runs with Debian's Python")
        self.label = label
        self.tokens = folder / "tokens"
        self.configuration = folder / "softhsm2.conf"
        self.pin_file = folder / "pin"
        self.tokens.mkdir(parents=True)
        self.configuration.write_text(f"directories.tokendir = {self.tokens}\nlog.level = ERROR\n")
        monkeypatch.setenv("SOFTHSM2_CONF", str(self.configuration))
        self.write_pin(PIN)
        self._tool("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)

    def write_pin(self, pin: str) -> None:
        """The file with the PIN."""
        self.pin_file.write_text(f"{pin}\n")
        self.pin_file.chmod(0o600)

    def pull_out(self) -> None:
        """Its files go away."""
        self.tokens.rename(self.tokens.with_name("pulled-out"))
        self.tokens.mkdir()

    def plug_in(self) -> None:
        """Its files are back."""
        self.tokens.rmdir()
        self.tokens.with_name("pulled-out").rename(self.tokens)

    def take_key(self, pem: Path, label: str, identifier: str) -> None:
        """Import a key that was made outside (PKCS#8)."""
        self._tool("--import", str(pem), "--token", self.label, "--label", label, "--id", identifier, "--pin", PIN)

    @property
    def section(self) -> str:
        """The table [keys] of a configuration."""
        return f'[keys]\nholder = "pkcs11"\nmodule = "{MODULE}"\ntoken = "{self.label}"\npin_file = "{self.pin_file}"\n'

    def _tool(self, *arguments: str) -> None:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        done = subprocess.run(
            ["softhsm2-util", *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
