"""Whether an EMP is there: one request, and what its answer means."""

import http.client
import socket
from urllib.parse import urlsplit

from smgw.errors import reason

_TIMEOUT_S = 5.0


def probe(url: str) -> tuple[bool, str]:
    """Request the list of devices: True if a head-end answers, and a description of the answer."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return _listens(parts.hostname or "", parts.port or 443)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/cosem/ldevs/")
        answer = connection.getresponse()
        answer.read(1)
    except TimeoutError:
        return (
            False,
            f"no answer within {_TIMEOUT_S:g} s; check host, port and firewall",
        )
    except (OSError, http.client.HTTPException) as error:
        why = reason(error) if isinstance(error, OSError) else "the answer is no HTTP"
        return False, f"no answer ({why}); start the head-end, or correct host and port"
    finally:
        connection.close()
    if answer.status in (200, 401, 403):  # the latter two: readings are shown to other users only
        return True, f"a head-end answers ({answer.status})"
    return False, f"a server answers {answer.status}, as no head-end does; is the path of the URL right?"


def _listens(host: str, port: int) -> tuple[bool, str]:
    """With TLS, only whether something listens: the certificates are perhaps not there yet."""
    try:
        socket.create_connection((host, port), _TIMEOUT_S).close()
    except OSError as error:
        return False, f"no answer ({reason(error)}); start the head-end, or correct host and port"
    return True, "a server listens; it is checked when certificates are here (smgw keys request, smgw keys install)"
