"""Questions of `smgw setup` at a terminal; without one, each question has its proposal as the answer."""

import getpass
from collections.abc import Callable
from typing import TypeVar

from smgw.errors import SmgwError

T = TypeVar("T")


class Dialogue:
    """Asks in lines. Ctrl-C and Ctrl-D raise KeyboardInterrupt."""

    def __init__(self, *, terminal: bool) -> None:
        self.terminal = terminal

    def say(self, text: str) -> None:
        """A line for the user."""
        print(text, flush=True)

    def ask(self, question: str, proposal: str, read: Callable[[str], T]) -> T:
        """The answer as `read` understands it; an empty answer takes the proposal. Asks again where it raises."""
        if not self.terminal:
            return read(proposal)
        shown = f" [{proposal}]" if proposal else ""
        while True:
            try:
                return read(_line(f"{question}{shown}: ").strip() or proposal)
            except SmgwError as error:
                self.say(f"  {error}")

    def confirm(self, question: str, *, proposal: bool) -> bool:
        """Yes or no."""
        return self.ask(f"{question} (y/n)", "y" if proposal else "n", _yes)

    def secret(self, question: str, read: Callable[[str], T], nothing: T) -> T:
        """As `ask`, without echo; an empty answer, and no terminal, give `nothing`."""
        while self.terminal:
            try:
                given = getpass.getpass(f"{question}: ")
            except EOFError:
                raise KeyboardInterrupt from None
            try:
                return read(given) if given else nothing
            except SmgwError as error:
                self.say(f"  {error}")
        return nothing


def _line(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        raise KeyboardInterrupt from None


def _yes(answer: str) -> bool:
    if answer.lower() in ("y", "yes"):
        return True
    if answer.lower() in ("n", "no"):
        return False
    raise SmgwError("write y or n")
