"""Whether an EMP is there: one request, and what its answer means."""

import http.client
from urllib.parse import urlsplit

from smgw.errors import reason

_TIMEOUT_S = 5.0


def probe(url: str) -> tuple[bool, str]:
    """Request the list of devices: True if a head-end answers, and a description of the answer."""
    parts = urlsplit(url)
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
