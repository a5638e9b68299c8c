"""Writes what the packages consist of, as software bills of material (CycloneDX 1.5, JSON).

    python3 firmware/sbom.py OUTPUT-DIRECTORY [VERSION]

smgw_, smgw-emp_ and smgw-pki_VERSION.cdx.json: what the Debian packages need (firmware/debian/control) and what they
carry of others. smgw-python_VERSION.cdx.json: what `make setup` installs from requirements/run.txt.
The same tree gives the same files. Needs nothing but Python.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_STATIC = ROOT / "firmware" / "smgw" / "look" / "static"
_DEPENDENCY = re.compile(r"([a-z0-9][a-z0-9.+-]+)(?: \(([^)]*)\))?")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\]+)", re.MULTILINE)
_OURS = "Apache-2.0"


def main(output: Path, version: str) -> None:
    """Write the four files, and print their names."""
    output.mkdir(parents=True, exist_ok=True)
    debian = dict(debian_packages())
    parts = {
        "smgw": [*debian["smgw"], uplot()],
        "smgw-emp": [*debian["smgw-emp"], uplot()],
        "smgw-pki": debian["smgw-pki"],
        "smgw-python": [*python_packages(), uplot()],
    }
    for name, components in parts.items():
        file = output / f"{name}_{version}.cdx.json"
        file.write_text(json.dumps(bill(name, version, components), indent=2) + "\n", encoding="utf-8")
        print(file)


def bill(name: str, version: str, components: list[dict[str, Any]]) -> dict[str, Any]:
    """One bill."""
    reference = f"{name}@{version}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": _OURS}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def debian_packages() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each binary package with the packages that it depends on."""
    control = (ROOT / "firmware" / "debian" / "control").read_text(encoding="utf-8")
    for stanza in control.split("\n\n")[1:]:
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]*):\s*((?:.*\n?)(?:^ .*\n?)*)", stanza, re.MULTILINE))
        wanted = [part.strip() for part in fields["Depends"].split(",")]
        yield fields["Package"].strip(), [debian_package(part) for part in wanted if not part.startswith("${")]


def debian_package(dependency: str) -> dict[str, Any]:
    """A dependency, such as `python3-cryptography (>= 38)`. The device's release decides on the version."""
    found = _DEPENDENCY.fullmatch(dependency)
    if found is None:
        raise SystemExit(f"firmware/debian/control: {dependency!r} is no dependency that this script reads")
    name, bound = found.groups()
    component: dict[str, Any] = {"type": "library", "bom-ref": f"pkg:deb/debian/{name}", "name": name}
    component["purl"] = component["bom-ref"]
    if bound:
        component["properties"] = [{"name": "debian:version", "value": bound}]
    return component


def python_packages() -> list[dict[str, Any]]:
    """The pinned packages; their hashes stand in requirements/run.txt, one for each file of a release."""
    pins = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    found = []
    for name, version in _PIN.findall(pins):
        link = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        found.append({"type": "library", "bom-ref": link, "name": name, "version": version, "purl": link})
    return found


def uplot() -> dict[str, Any]:
    """The plot library, the one part that is copied into the tree. Its version stands in its first line."""
    octets = (_STATIC / "uplot" / "uPlot.iife.min.js").read_bytes()
    found = re.search(rb"uPlot \(v([0-9.]+)\)", octets[:200])
    if found is None:
        raise SystemExit("uPlot.iife.min.js does not name its version in its first line")
    version = found[1].decode("ascii")
    link = f"pkg:npm/uplot@{version}"
    return {
        "type": "library",
        "bom-ref": link,
        "name": "uplot",
        "version": version,
        "purl": link,
        "licenses": [{"license": {"id": "MIT"}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(octets).hexdigest()}],
    }


def own_version() -> str:
    """The version in firmware/pyproject.toml."""
    found = re.search(r'^version = "(.*)"$', (ROOT / "firmware" / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("firmware/pyproject.toml names no version")
    return found[1]


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else own_version())
