"""axe-core, a checker of accessibility that nobody here wrote (MPL-2.0): npm fetches one version, whose hash is known.

It is kept in build/ and is no part of what is delivered.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from browser import Page

VERSION = "4.14.1"
_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_FOLDER = Path(__file__).parents[2] / "build" / "axe"
FETCH_S = 240
_RUN = """axe.run({resultTypes: ['violations']}).then((found) => found.violations
    .filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => one.id + ': ' + one.help + ': ' + one.nodes.map((node) => node.html.slice(0, 200)).join(' | ')))"""


def source() -> str:
    """The script; the test is skipped, and says so, without npm or a registry."""
    archive = _FOLDER / f"axe-core-{VERSION}.tgz"
    if not archive.exists():
        _fetch(archive)
    octets = archive.read_bytes()
    assert base64.b64encode(hashlib.sha512(octets).digest()).decode() == _SHA512
    with tarfile.open(fileobj=io.BytesIO(octets)) as files:
        found = files.extractfile("package/axe.min.js")
        assert found is not None
        return found.read().decode()


def _fetch(archive: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("axe-core is not asked: npm is missing; on Debian: sudo apt-get install npm")
    archive.parent.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", f"axe-core@{VERSION}", "--pack-destination", str(archive.parent)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=FETCH_S, cwd=archive.parent)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode or not archive.exists():
        pytest.skip("axe-core is not asked: npm could not fetch it; is there an npm registry to be reached?")


def serious(page: Page, script: str) -> list[str]:
    """What it finds on a page that is serious or critical."""
    page.evaluate(f"{script};1")
    found: list[str] = page.evaluate(_RUN)
    return found
