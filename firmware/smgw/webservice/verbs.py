"""Which verb applies to which resource (TR-03109-1 Annex II, 7.2 and 7.3)."""

from smgw.webservice.error import MethodNotAllowed
from smgw.webservice.uri import Node

#: There is no POST that creates: PUT creates what is absent and overwrites what is there; on an ldev it merges.
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
    """MethodNotAllowed unless the verb applies; a server that offers less than the annex hands in its own table."""
    allowed = (ALLOWED if offered is None else offered)[node]
    if verb not in allowed:
        raise MethodNotAllowed(verb, allowed)
