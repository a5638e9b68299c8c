"""`make bench`: every benchmark, each number beside its bar and a peer's. Exits 1 if a bar is missed."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from result import shown


def main() -> int:
    missed = 0
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n{path.stem}", flush=True)
        missed |= shown(import_module(path.stem).main())
    print("\na bar was missed" if missed else "\nall bars met")
    return missed


if __name__ == "__main__":
    sys.exit(main())
