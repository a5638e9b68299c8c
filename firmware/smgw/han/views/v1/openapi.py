"""The OpenAPI document of v1, made from the tables that answer: it cannot describe another API."""

from typing import Any

from smgw import __version__
from smgw.han.views.v1.asked import MOST, SIGNED
from smgw.han.views.v1.resources import EXPORTS, LISTS, RESOURCES, TELEGRAM, Resource
from smgw.han.views.v1.schemas import SCHEMAS, STEPS, array, of

_BASE = "/smgw/con/v1"
#: Statuses of table 6.2 that may come, beside 200.
_REFUSALS = {
    "400": "a filter is wrong, or none of this resource",
    "401": "no login, or a wrong one",
    "403": "a request that another site's page sent, or an unknown name of this gateway",
    "404": "there is no such thing, or it is another consumer's",
    "405": "only GET is possible",
    "406": "the answer is JSON",
    "429": "too many wrong logins; the text says when the next one is possible",
    "500": "an error of the gateway",
    "503": "the data cannot be read, or the answer cannot be signed now",
}
_FILTERS: dict[str, dict[str, Any]] = {
    "fromtime": {"schema": {"type": "string", "format": "date-time"}, "description": "from this time on, inclusive"},
    "totime": {"schema": {"type": "string", "format": "date-time"}, "description": "before this time, exclusive"},
    "count": {
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST},
        "description": "at most so many: the first ones from q.fromtime on, without it the newest ones",
    },
    "obis": {
        "schema": {"type": "string"},
        "description": "OBIS codes with commas between; 1-0:1.8.0 where one is needed",
    },
    "level": {
        "schema": {"type": "string", "enum": ["I", "W", "E", "F"]},
        "description": "this level and worse ones: information, warning, error, fatal",
    },
    "signed": {
        "schema": {"type": "string", "enum": [SIGNED]},
        "description": "sign the body: CMS SignedData in base64, in the head field Content-Signature",
    },
}


def document() -> dict[str, Any]:
    """The document, as plain JSON."""
    paths: dict[str, Any] = {
        path: {"get": _get(f"list {name}", "what there is", array(of("Link")), ())}
        for name, path in (
            ("roles", "/smgw/"),
            ("versions", "/smgw/con/"),
            ("kinds", f"{_BASE}/"),
            ("resources", f"{_BASE}/rts/"),
            ("exports", f"{_BASE}/exp/"),
            ("actions", f"{_BASE}/fas/"),
        )
    }
    for kind, resources in (("rts", RESOURCES), ("exp", EXPORTS)):
        for name, resource in resources.items():
            paths[f"{_BASE}/{kind}/{name}/"] = {
                "get": _get(f"list {kind} {name}", "ids of this type", array(of("Link")), ())
            }
            paths[f"{_BASE}/{kind}/{name}/{{id}}"] = {"parameters": [_IDENTITY], "get": _one(kind, name, resource)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Smart meter gateway, consumer",
            "version": __version__,
            "description": "Addresses, filters and statuses follow TR-03109-1 (Detailspezifikationen 2.0). The JSON is "
            "our own. Each answer is for the consumer who is logged in.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"digest": []}, {"certificate": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "digest": {"type": "http", "scheme": "digest", "description": "RFC 7616; realm: the gateway's id"},
                "certificate": {"type": "mutualTLS", "description": "the certificate that the gateway has for you"},
            },
        },
    }


_IDENTITY = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _one(kind: str, name: str, resource: Resource) -> dict[str, Any]:
    several = kind == "exp" or name == "recipient"
    schema = array(of(resource.name)) if several else of(resource.name)
    parameters = [_filter(name, one) for one in resource.filters]
    return _get(f"get {kind} {name}", resource.about, schema, parameters)


def _get(operation: str, about: str, schema: dict[str, Any], parameters: Any) -> dict[str, Any]:
    refused = {
        status: {"description": text, "content": {"application/problem+json": {"schema": of("Problem")}}}
        for status, text in _REFUSALS.items()
    }
    return {
        "operationId": operation.replace(" ", "-"),
        "summary": about,
        "parameters": [*parameters, _filter("", "signed")],
        "responses": {
            "200": {"description": about, "content": {"application/json": {"schema": schema}}},
            **refused,
        },
    }


def _filter(resource: str, name: str) -> dict[str, Any]:
    known = _FILTERS.get(name)
    if name == "type":
        values = [*LISTS, TELEGRAM] if resource == "readings" else STEPS
        about = "the list of values" if resource == "readings" else "from one mark to the next; day by default"
        known = {"schema": {"type": "string", "enum": values}, "description": about}
    return {"name": f"q.{name}", "in": "query", "required": False, **(known or {})}
