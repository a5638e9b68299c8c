"""HTML as PPC's pages have it: tables with ids that programs look for. Every text is escaped."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import chain

from smgw.han.exchange import Answer
from smgw.han.house import House
from smgw.han.views.ppc.asked import local_text

_HTML = "text/html; charset=utf-8"
_SECOND = 1_000_000
_ROWS = 200  # of one piece
#: Nothing is loaded and nothing runs.
_POLICY = {"Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"}


def page(house: House, title: str, parts: Iterable[str]) -> Answer:
    """A whole page."""
    return Answer(200, "".join(_page(house, title, parts)).encode(), _HTML, _POLICY)


def long_page(house: House, title: str, parts: Iterable[str]) -> Answer:
    """A page that is made piece by piece."""
    return Answer(200, (piece.encode() for piece in _page(house, title, parts)), _HTML, _POLICY)


def table(name: str, head: Sequence[str], rows: Iterable[str]) -> Iterator[str]:
    """A table; `rows` are HTML."""
    yield f'<table id="{name}"><thead><tr>{"".join(f"<th>{escape(one)}</th>" for one in head)}</tr></thead><tbody>\n'
    some: list[str] = []
    for one in rows:
        some.append(one)
        if len(some) == _ROWS:
            yield "".join(some)
            some.clear()
    yield f"{''.join(some)}</tbody></table>\n"


def row(cells: Iterable[tuple[str, str]], name: str = "") -> str:
    """A row. `cells`: id, or "", and text."""
    shown = (f"<td{f' id={quoted(key)}' if key else ''}>{escape(text)}</td>" for key, text in cells)
    return f"<tr{f' id={quoted(name)}' if name else ''}>{''.join(shown)}</tr>\n"


def plain_row(*cells: str) -> str:
    """A row without ids."""
    return row([("", one) for one in cells])


def form(action: str, *fields: str) -> str:
    """A form with one button. `fields` are HTML."""
    hidden = f'<input type="hidden" name="tkn" value=""><input type="hidden" name="action" value={quoted(action)}>'
    return f'<form method="post" id="form_{action}">{hidden}{"".join(fields)}<button>{escape(action)}</button></form>\n'


def select(ident: str, name: str, options: Iterable[tuple[str, str]]) -> str:
    """A choice. `options`: value and text. `ident`: "" for none."""
    shown = "".join(f"<option value={quoted(value)}>{escape(text)}</option>" for value, text in options)
    return f'<select{f" id={quoted(ident)}" if ident else ""} name="{name}">{shown}</select>'


def quoted(text: str) -> str:
    """As the value of an attribute."""
    return f'"{escape(text)}"'


def _page(house: House, title: str, parts: Iterable[str]) -> Iterator[str]:
    clock = house.clock()
    saved = clock.saved
    synchronised = "" if saved is None else local_text(clock.now_us // _SECOND)
    version = ", ".join(f"{one.name} {one.version}" for one in house.firmware())
    head = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head><body>\n'
        f"<h1>{escape(title)}</h1>\n"
    )
    foot = (
        f'<div id="div_fwversion">{escape(version)}</div>\n<div id="div_timestamp">{escape(synchronised)}</div>\n'
        "</body></html>\n"
    )
    return chain((head,), parts, (foot,))
