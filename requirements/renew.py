"""Writes the pins with hashes: `make pins`. Run it after a change of constraints.txt or of a pyproject.toml.

run.txt    what smgw, smsim and emp need at run time, and what builds them
tools.txt  what tests and checks them: the names are this program's arguments

The versions come from constraints.txt. Each pin has the hashes of all files of its release, for every platform.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
_PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-options")
_HASHED = ("--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-config")


def main(tools: list[str]) -> None:
    """Both files."""
    found: set[str] = set()
    for part in ("firmware", "simulator-host"):
        told = tomllib.loads((ROOT / part / "pyproject.toml").read_text(encoding="utf-8"))
        found |= {*told["project"]["dependencies"], *told["build-system"]["requires"]}
    compile_pins(sorted(one for one in found if not one.startswith("smgw")), FOLDER / "run.txt")
    compile_pins(tools, FOLDER / "tools.txt")


def compile_pins(wanted: list[str], output: Path) -> None:
    """Pin these and what they need."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as names:
        names.write("\n".join(wanted) + "\n")
        names.flush()
        limits = ("--constraint", str(ROOT / "constraints.txt"), "--output-file", str(output))
        subprocess.run(
            [sys.executable, "-m", "piptools", "compile", "--quiet", *_PLAIN, *_HASHED, *limits, names.name], check=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
