"""Commands with actions, such as `smgw keys list`: each action is one module of the command's package.

An action's module has `add_arguments(parser)` and `run(arguments) -> exit code`, as the commands have.
"""

import argparse
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from smgw.cli import common_arguments


class _Action(argparse.ArgumentParser):
    """An action whose module is imported when somebody asks for it. So a daemon carries nothing of the others."""

    module = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the base class."""
        module = import_module(self.module)
        module.add_arguments(self)
        self.set_defaults(act=module.run)
        return super().parse_known_args(args, namespace)


def add_actions(parser: argparse.ArgumentParser, package: str, texts: Mapping[str, str]) -> None:
    """Add the actions of a package, by name; their text is one line of the help."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Action)
    for name, text in texts.items():
        one = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=parser.formatter_class
        )
        common_arguments(one, again=True)
        one.module = f"{package}.{name}"


def run_action(arguments: argparse.Namespace) -> int:
    """Do what was asked; its exit code."""
    return int(arguments.act(arguments))
