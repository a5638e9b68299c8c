"""The bill of materials of the image: every Debian package with its version, and what was unpacked beside them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from debian import ARCHITECTURE, Fetched


def write(file: Path, version: str, root: Path, beside: Iterable[Fetched]) -> None:
    """Write it as CycloneDX 1.5."""
    packages = {name: (number, architecture) for name, number, architecture in _installed(root)}
    packages |= {package.name: (package.version, ARCHITECTURE) for package in beside}
    components: list[dict[str, Any]] = []
    for name, (number, architecture) in sorted(packages.items()):
        link = f"pkg:deb/debian/{name}@{number.replace(':', '%3A').replace('+', '%2B')}?arch={architecture}"
        kind = "application" if name == "smgw" else "firmware" if "firmware" in name else "library"
        components.append({"type": kind, "bom-ref": link, "name": name, "version": number, "purl": link})
    reference = f"smgw-image@{version}"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "operating-system", "bom-ref": reference, "name": "smgw-image", "version": version}
        },
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    file.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


def _installed(root: Path) -> Iterable[tuple[str, str, str]]:
    status = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    for stanza in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version|Architecture): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            yield fields["Package"], fields["Version"], fields["Architecture"]
