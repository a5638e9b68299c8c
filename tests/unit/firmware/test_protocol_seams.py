"""What belongs to one protocol is named by its own modules and its entry, and by nothing else in the product."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import smgw
from smgw.profiles import protocols

ROOT = Path(smgw.__file__).parent
#: Commands of one protocol, and the questions of `smgw setup` about secrets of meters.
OUTSIDE = {("smgw.cli.set_counter", "smgw.profiles.s0")}
NAMED = {("smgw.cli.setup", "dlms"), ("smgw.cli.setup", "dlms-push"), ("smgw.cli.setup", "sml-poll")}
#: What protocols share stands in rooms of its own, not with one of them.
FAMILIES = ("d0", "dlms", "mbus", "p1", "s0", "sml")


def module_of(path: Path) -> str:
    return ".".join(("smgw", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def own_modules(name: str) -> set[str]:
    """The folder of lmn, the section, the printer and the entry of a protocol."""
    entry = protocols.entry(name)
    named = {reference.partition(":")[0] for reference in (entry.meter, entry.scan, entry.printer) if reference}
    found = {one.rpartition(".")[0] if one.startswith("smgw.lmn.") else one for one in named}
    if entry.section is not None:
        found.add(entry.section.build.__module__)
    return {*found, f"{protocols.__name__}.{name.replace('-', '_')}"}


OWN = {name: own_modules(name) for name in protocols.names()}


def within(module: str, owners: set[str]) -> str | None:
    """The owner that this module is, or belongs to."""
    return next((one for one in owners if module == one or module.startswith(f"{one}.")), None)


class Source(NamedTuple):
    """What a module imports, and its text constants."""

    imported: frozenset[str]
    texts: frozenset[str]


@cache
def sources() -> dict[str, Source]:
    found = {}
    for path in ROOT.rglob("*.py"):
        imported, texts = set(), set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
            elif isinstance(node, ast.Import):
                imported |= {one.name for one in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
        found[module_of(path)] = Source(frozenset(imported), frozenset(texts))
    return found


ALL = set().union(*OWN.values())


@pytest.mark.parametrize("name", protocols.names())
def test_nothing_else_imports_the_modules_of_a_protocol(name: str) -> None:
    found = {
        (module, owner)
        for module, source in sources().items()
        if not within(module, ALL)
        for one in source.imported
        if (owner := within(one, OWN[name]))
    }
    assert found <= OUTSIDE


def test_nothing_else_asks_for_a_protocol_by_its_name() -> None:
    found = {
        (module, name)
        for module, source in sources().items()
        if not within(module, ALL)
        for name in source.texts & set(OWN)
    }
    assert found <= NAMED


def family(module: str) -> str | None:
    parts = module.split(".")
    return next((one for one in FAMILIES if parts[1:3] in (["lmn", one], ["profiles", one], ["dump", one])), None)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_protocol_knows_nothing_of_another(name: str) -> None:
    found = {
        (module, ".".join(one.split(".")[:3]))
        for module, source in sources().items()
        if family(module) == name
        for one in source.imported
        if family(one) not in (None, name)
    }
    assert not found
