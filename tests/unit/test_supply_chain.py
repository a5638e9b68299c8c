"""What the packages and environments consist of is pinned, hashed and listed."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    return {normal(name): version for name, version in PIN.findall((ROOT / file).read_text())}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("file", ["requirements/run.txt", "requirements/tools.txt"])
def test_every_pin_has_a_hash_and_the_version_of_the_constraints(file: str) -> None:
    constraints = pins("constraints.txt")
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    for stanza in re.split(r"\n(?=\S)", "\n".join(lines)):
        ((name, version),) = PIN.findall(stanza)
        assert "--hash=sha256:" in stanza, name
        assert constraints.get(normal(name)) == version, f"{name}: run `make pins`"


@pytest.mark.parametrize("file", ["requirements/run.txt", "requirements/tools.txt", "constraints.txt"])
def test_no_pin_names_where_it_is_downloaded(file: str) -> None:
    assert not re.search(r"index-url|find-links|trusted-host|https?:", (ROOT / file).read_text())


def test_every_dependency_of_the_two_distributions_is_pinned() -> None:
    found = pins("requirements/run.txt")
    for part in ("firmware", "simulator-host"):
        told = tomllib.loads((ROOT / part / "pyproject.toml").read_text())
        for dependency in (*told["project"]["dependencies"], *told["build-system"]["requires"]):
            name = normal(re.match(r"[A-Za-z0-9._-]+", dependency)[0])  # type: ignore[index]
            assert name in found or name == "smgw", dependency


def test_no_debian_dependency_is_unused() -> None:
    """A library on the device that nothing imports is only another thing to keep free of faults."""
    modules = {"serial": "serial", "lxml": "lxml", "urllib3": "urllib3", "ntplib": "ntplib", "systemd": "systemd"}
    modules |= {"cryptography": "cryptography", "aiohttp": "aiohttp", "jinja2": "jinja2", "rich": "rich"}
    control = (ROOT / "firmware" / "debian" / "control").read_text()
    code = "\n".join(
        file.read_text() for room in ("firmware/smgw", "simulator-host/emp") for file in (ROOT / room).rglob("*.py")
    )
    depends = "".join(re.findall(r"^Depends:(.*\n(?: .*\n)*)", control, re.MULTILINE))
    for name in re.findall(r"python3-([a-z0-9]+)", depends):
        assert re.search(rf"^\s*(import|from) {modules.get(name, name)}\b", code, re.MULTILINE), name


def test_the_bills_of_material_list_each_dependency_and_the_copied_library(tmp_path: Path) -> None:
    script = ROOT / "firmware" / "sbom.py"
    subprocess.run([sys.executable, str(script), str(tmp_path), "9.9"], check=True, capture_output=True)
    bills = {file.name: json.loads(file.read_text()) for file in tmp_path.iterdir()}
    names = {file: {one["name"] for one in bill["components"]} for file, bill in bills.items()}
    assert {"python3-lxml", "python3-cryptography", "uplot"} <= names["smgw_9.9.cdx.json"]
    assert {"python3-aiohttp", "uplot"} <= names["smgw-emp_9.9.cdx.json"]
    assert names["smgw-pki_9.9.cdx.json"] == {"python3", "python3-cryptography"}
    assert {normal(name) for name in names["smgw-python_9.9.cdx.json"]} == {*pins("requirements/run.txt"), "uplot"}
    for bill in bills.values():
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
        references = [one["bom-ref"] for one in bill["components"]]
        assert len(references) == len(set(references))
        assert bill["dependencies"][0]["dependsOn"] == references
