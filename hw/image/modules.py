"""Which kernel modules go into the image: those of the list modules.txt, and all modules that they need."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

_LINE = re.compile(r"(kernel/\S+\.ko(?:\.\w+)?):((?: \S+)*)")
_SOFT = re.compile(r"softdep (\S+) (.*)")
_ALIAS = re.compile(r"alias (\S+) (\S+)")
_END = re.compile(r"\.ko(\.\w+)?$")


def dependencies(package: Path, version: str) -> dict[str, set[str]]:
    """Each module of an unpacked kernel package, and all modules that it needs, as paths below lib/modules/VERSION.

    What a module loads by a name when it starts (`softdep`) counts too, such as crc32c for ext4.
    """
    shown = subprocess.run(
        ["depmod", "--dry-run", "-b", str(package), version], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    hard = {found[1]: set(found[2].split()) for line in shown if (found := _LINE.fullmatch(line))}
    named = defaultdict(set)
    for path in hard:
        named[name(path)].add(path)
    soft = [(found[1], found[2].split()) for line in shown if (found := _SOFT.fullmatch(line))]
    wanted = {other for _, others in soft for other in others}
    for line in shown:
        if (found := _ALIAS.fullmatch(line)) and found[1] in wanted:
            named[found[1]] |= named[found[2]]
    needs = {path: set(others) for path, others in hard.items()}
    for module, others in soft:
        for path in named[module.replace("-", "_")]:
            needs[path].update(*(named[other] | named[other.replace("-", "_")] for other in others))
    return {path: _closed(path, needs) for path in needs}


def _closed(path: str, needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [path]
    while waiting:
        new = needs[waiting.pop()] - found
        found |= new
        waiting += new
    return found - {path}


def choose(wanted: Iterable[str], known: Mapping[str, Iterable[str]], builtin: Iterable[str]) -> list[str]:
    """The paths of the wanted modules and of what they need.

    A wish is a module's name, or a folder with a slash at its end. What the kernel has built in needs no module.
    KeyError names wishes that the kernel does not know.
    """
    inside = list(builtin)
    chosen: set[str] = set()
    unknown = []
    for wish in wanted:
        found = [path for path in known if _fits(wish, path)]
        if not found and not any(_fits(wish, path) for path in inside):
            unknown.append(wish)
        for path in found:
            chosen.update((path, *known[path]))
    if unknown:
        raise KeyError(*unknown)
    return sorted(chosen)


def name(path: str) -> str:
    """The name of a module, as the kernel writes it."""
    return _END.sub("", path.rpartition("/")[2]).replace("-", "_")


def _fits(wish: str, path: str) -> bool:
    return path.startswith(f"kernel/{wish}") if wish.endswith("/") else name(path) == wish.replace("-", "_")
