"""The line of every key: for generated texts the right one, for any text no exception."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smgw.profiles.toml_lines import Path, key_lines, line_of

SCALARS = [
    "1", "0x1F", "1_000", "true", "2.5e3", "inf", "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00.5",
    '"plain"', '"# no comment ] } , ="', r'"quote \" and \\"', "'C:\\dir\\'", "''", '""', '""""""', "''''''",
    '"""one\ntwo # three\n[four]\n"""', "'''one\n\ntwo = 'three'\n'''", '"""ends in quotes"""""',
    "'''ends in ones'''''",
    '"""\\\n   folded \\""" \\\\\n"""', '"""a "" b"""',
]  # fmt: skip
BLANKS = ["", " ", "\n", "\r\n", "\n\n", "  # a ] comment } with \" and '''\n", "\t", "#\n"]
KEYS = ["a", "b1", "key-2", "3", "_", '"quoted"', "'literal'", '"dot.ted"', r'"\u00e4\t"', '""', '"# ]"', "'='"]


class Writer:
    """Writes a TOML text and keeps, by itself, the line of each key."""

    def __init__(self, data: st.DataObject) -> None:
        self.text = ""
        self.expected: dict[Path, int] = {}
        self._data = data

    def pick(self, options: list[Any]) -> Any:
        return self._data.draw(st.sampled_from(options))

    def note(self, path: Path) -> None:
        self.expected.setdefault(path, self.text.count("\n") + 1)

    def key(self, around: Path, taken: set[str]) -> Path | None:
        written = self.pick(KEYS)
        name = str(tomllib.loads(f"k = {written}")["k"]) if written[0] in "\"'" else written
        if name in taken:
            return None
        taken.add(name)
        self.note((*around, name))
        self.text += written
        return (*around, name)

    def value(self, path: Path, depth: int) -> None:
        match self.pick(["scalar"] * 3 + ["array", "table"] * (depth > 0)):
            case "array":
                self.text += "["
                for index in range(self.pick([0, 1, 3])):
                    self.text += self.pick(BLANKS)
                    self.note((*path, index))
                    self.value((*path, index), depth - 1)
                    self.text += self.pick(BLANKS) + ","
                self.text += self.pick(BLANKS) + "]"
            case "table":
                self.text += "{"
                taken: set[str] = set()
                for index in range(self.pick([0, 1, 3])):
                    before, self.text = self.text, self.text + (", " if index else " ")
                    inner = self.key(path, taken)
                    if inner is None:
                        self.text = before
                        break
                    self.text += self.pick(["=", " = "])
                    self.value(inner, depth - 1)
                self.text += "}"
            case _:
                self.text += self.pick(SCALARS)

    def pairs(self, around: Path) -> None:
        taken: set[str] = set()
        for _ in range(self.pick([0, 1, 2, 4])):
            self.text += self.pick(["", "  ", "\n", "# comment\n"])
            path = self.key(around, taken)
            if path is not None:
                self.text += self.pick(["=", " = ", "\t=\t"])
                self.value(path, 2)
                self.text += self.pick(["\n", "\r\n", " # [comment]\n"])

    def document(self) -> None:
        self.pairs(())
        used = {path[0] for path in self.expected}
        for name in ("gateway", "meter", "emp"):
            if name in used:
                continue
            if self.pick([True, False]):
                self.text += self.pick(["", "\n"])
                self.note((name,))
                self.text += self.pick([f"[{name}]", f'[ "{name}" ] # here'])
                self.text += "\n"
                self.pairs((name,))
                self.text += "\n"
                continue
            for index in range(self.pick([1, 2])):
                self.note((name,))
                self.note((name, index))
                self.text += f"[[{name}]]\n"
                self.pairs((name, index))
                if "sub" not in str(self.expected):
                    self.note((name, index, "sub"))
                    self.text += f"[{name}.sub]\n"
                    self.pairs((name, index, "sub"))


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Every key and index of a parsed document."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from places(one, (*path, key))


@given(st.data())
def test_every_key_of_a_generated_text_is_found_on_its_line(data: st.DataObject) -> None:
    writer = Writer(data)
    writer.document()
    document = tomllib.loads(writer.text)  # the writer writes TOML, or this test is wrong
    assert key_lines(writer.text) == writer.expected
    assert set(places(document)) == set(writer.expected)


FRAGMENTS = [
    *SCALARS,
    *BLANKS,
    *KEYS,
    "=",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "a = 1\n",
    "[t]\n",
    "[[t]]\n",
    "[t.u]\n",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
@example("a.b.c = 1\na.b.d = {x.y = 2}\n[q.r]\ns.t=1")
@example("[[t]]\n[[t.u]]\n[[t.u]]\na=1\n[[t]]\n[t.u.v]\nb=2")
@example("a = [[1,\n2],\n[{b=[\n3]}],\n]")
def test_every_key_of_an_accepted_text_is_found(text: str) -> None:
    lines = key_lines(text)
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    assert set(places(document)) == set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(st.text() | st.text(alphabet="ab=[]{}\"'\\\n#,. \r"))
def test_no_text_at_all_raises(text: str) -> None:
    key_lines(text)


def test_nesting_as_deep_as_tomllib_takes_it_does_not_raise() -> None:
    depth, text = 0, "a = 1"
    while True:
        deeper = "a = " + "[" * (depth + 1) + "]" * (depth + 1)
        try:
            tomllib.loads(deeper)
        except (RecursionError, ValueError):
            break
        depth, text = depth + 1, deeper
    assert depth > 20
    assert len(key_lines(text)) == depth


def test_keys_below_dotted_headers_of_arrays_belong_to_the_last_element() -> None:
    lines = key_lines("[[meter]]\nname='a'\n[[meter]]\n[meter.line]\nparity='N'\n")
    assert lines[("meter", 1, "line", "parity")] == 5


@pytest.mark.parametrize(("path", "line"), [(("m", 0, "x"), 2), (("m", 0, "y"), 1), (("nothing",), 1), ((), 1)])
def test_what_has_no_line_gets_the_one_around_it(path: Path, line: int) -> None:
    assert line_of(key_lines("[[m]]\nx = 1\n"), path) == line
