"""The verbs of each resource (TR-03109-1 Annex II, 7.2 and 7.3)."""

from smgw.webservice.error import MethodNotAllowed
from smgw.webservice.uri import Node

#: POST never creates. PUT creates an absent resource and overwrites an existing one; on an ldev it merges.
ALLOWED: dict[Node, tuple[str, ...]] = {
    Node.COSEM: ("GET",),
    Node.LDEVS: ("GET",),
    Node.LDEV: ("GET", "PUT", "DELETE"),
    Node.OBJECTS: ("GET",),
    Node.OBJECT: ("GET", "PUT", "DELETE"),
    Node.ATTRIBUTES: ("GET",),
    Node.ATTRIBUTE: ("GET", "PUT"),
    Node.METHODS: ("GET",),
    Node.METHOD: ("POST",),
    Node.CONTAINERS: ("GET",),
    Node.CONTAINER: ("GET", "PUT", "DELETE"),
}


def check_verb(node: Node, verb: str, offered: dict[Node, tuple[str, ...]] | None = None) -> None:
    """MethodNotAllowed unless the verb applies. A server that offers less than the annex passes its own table."""
    allowed = (ALLOWED if offered is None else offered)[node]
    if verb not in allowed:
        raise MethodNotAllowed(verb, allowed)
