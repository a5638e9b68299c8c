"""Every text of the HAN's pages that a language must have: those of templates, and those of Python sources."""

import ast
import re
from pathlib import Path

import smgw

ROOM = Path(smgw.__file__).parent
_TEMPLATE = re.compile(r'\b_\(\s*"((?:[^"\\]|\\.)*)"\s*\)')
_SOURCES = (*sorted((ROOM / "han" / "views").rglob("*.py")), ROOM / "look" / "language.py")


def texts() -> set[str]:
    """Without a context."""
    return {text for name, text in _calls() if not name} | _templates()


def contexts() -> set[tuple[str, str]]:
    """(context, text)."""
    return {(name, text) for name, text in _calls() if name}


def _templates() -> set[str]:
    found = set()
    for file in (ROOM / "han" / "views").rglob("*.html"):
        found |= set(_TEMPLATE.findall(file.read_text(encoding="utf-8")))
    return found


def _calls() -> set[tuple[str, str]]:
    found = set()
    for file in _SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= set(_texts_of(node))
    return found


def _texts_of(call: ast.Call) -> list[tuple[str, str]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    constants = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if name in ("_", "N_", "text") and len(call.args) == len(constants) == 1:
        return [("", constants[0])]
    if name == "context" and len(constants) == 2:
        return [(constants[0], constants[1])]
    return []
