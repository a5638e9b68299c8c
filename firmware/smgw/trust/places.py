"""Where the trust folder is. It loads nothing."""

from pathlib import Path


def trust_directory(state: Path) -> Path:
    """The trust folder in a state directory."""
    return state / "trust"
