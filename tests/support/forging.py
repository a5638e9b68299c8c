"""Changes one element of a DER structure, and mends all lengths around it: forged messages for tests."""

from collections.abc import Callable

from sealing import Party
from second_decoder import AUTH_ENVELOPED_DATA, Node, parse
from smgw.trust import oids
from smgw.trust.cms import der
from smgw.trust.cms.signed import sign

Change = Callable[[Node], bytes]
#: Where the parts stand in a message, as numbers of elements from outside to inside.
SIGNED = (0, 1, 0)
CONTENT = (*SIGNED, 2, 1, 0)
SIGNER = (*SIGNED, 3, 0)
SIGNATURE = (*SIGNER, 5)
SIGNED_ATTRIBUTES = (*SIGNER, 3)
#: Where the parts stand in AuthEnvelopedData.
RECIPIENTS = (0, 1)
RECIPIENT = (*RECIPIENTS, 0)
EPHEMERAL = (*RECIPIENT, 1, 0)
AGREEMENT = (*RECIPIENT, 2)
WRAPPED = (*RECIPIENT, 3)
ENCRYPTED = (0, 2)
MAC = (0, -1)


def edited(octets: bytes, path: tuple[int, ...], change: Change) -> bytes:
    """The octets with another element at `path`; `b""` from `change` removes it."""
    nodes = [node.whole for node in parse(octets)]
    place, inner = path[0], path[1:]
    node = parse(octets)[place]
    nodes[place] = der.element(node.tag, edited(node.content, inner, change)) if inner else change(node)
    return b"".join(nodes)


def at(octets: bytes, path: tuple[int, ...]) -> Node:
    """The element at `path`."""
    nodes = parse(octets)
    for place in path[:-1]:
        nodes = nodes[place].parts
    return nodes[path[-1]]


def resigned(octets: bytes, signer: Party, path: tuple[int, ...], change: Change) -> bytes:
    """A message whose envelope was changed at `path` by `signer`, so that its signature is right."""
    envelope = edited(at(octets, CONTENT).content, path, change)
    return signed_by(signer, envelope)


def signed_by(signer: Party, envelope: bytes) -> bytes:
    """A message around an envelope."""
    assert der.identifier(oids.AUTH_ENVELOPED_DATA).hex().endswith(AUTH_ENVELOPED_DATA)
    return sign(envelope, oids.AUTH_ENVELOPED_DATA, signer.keys, signer.certificate)


def flipped(node: Node) -> bytes:
    """One bit of the content changed."""
    return der.element(node.tag, node.content[:-1], bytes((node.content[-1] ^ 1,)))


def twice(node: Node) -> bytes:
    """The content twice, as for a second signer or recipient."""
    return der.element(node.tag, node.content, node.content)
