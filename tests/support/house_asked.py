"""Asks a view as the server does, without a server; and checks JSON against the schemas of the OpenAPI document."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from smgw.han.exchange import Answer, Request, Role, Who
from smgw.han.house import House

Answering = Callable[[Request, House], Answer]


def ask(
    answering: Answering,
    house: House,
    target: str,
    consumer: str = "anna",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """The answer, its body whole."""
    path, _, query = target.partition("?")
    request = Request(
        method,
        unquote(path),
        dict(parse_qsl(query, keep_blank_values=True)),
        headers or {},
        body,
        Who(Role.CONSUMER, consumer),
        "127.0.0.1",
        "en",
    )
    answer = answering(request, house)
    return answer._replace(body=answer.body if isinstance(answer.body, bytes) else b"".join(answer.body))


def told(answer: Answer) -> Any:
    """The JSON of an answer."""
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


_KINDS = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def check(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], place: str = "$") -> None:
    """AssertionError with the place if a value does not fit; only what our document uses of JSON Schema."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(type(value) is _KINDS[kind] for kind in kinds), f"{place}: {value!r} is none of {kinds}"
    if value is None:
        return
    assert "enum" not in schema or value in schema["enum"], f"{place}: {value!r}"
    assert "pattern" not in schema or re.search(schema["pattern"], value), f"{place}: {value!r}"
    if schema.get("format") == "date-time":
        assert datetime.fromisoformat(value).utcoffset() is not None, f"{place}: {value!r}"
    if isinstance(value, list):
        for number, one in enumerate(value):
            check(one, schema["items"], document, f"{place}[{number}]")
    if isinstance(value, dict):
        assert set(schema["required"]) <= set(value), f"{place}: {schema['required']} are needed"
        assert set(value) <= set(schema["properties"]), f"{place}: {sorted(value)}"
        for name, one in value.items():
            check(one, schema["properties"][name], document, f"{place}.{name}")
