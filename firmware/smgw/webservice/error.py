"""The errors of a web service, each with its HTTP status code (Annex II, 7.4)."""

# ruff: noqa: N818 - the names are those of the status codes
from collections.abc import Mapping
from enum import IntEnum

from smgw.errors import SmgwError


class Status(IntEnum):
    """The codes in use. Not in the annex of 2013, but in its successor or HTTP: 304, 401, 422, 429, 503, 505, 507."""

    OK = 200
    CREATED = 201
    ACCEPTED = 202
    NO_CONTENT = 204
    PARTIAL_CONTENT = 206
    NOT_MODIFIED = 304
    BAD_REQUEST = 400
    UNAUTHORIZED = 401  # a person without a password; gateways never
    FORBIDDEN = 403  # wrong host name
    NOT_FOUND = 404  # missing, or not shown to this peer
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    REQUEST_TIMEOUT = 408
    LENGTH_REQUIRED = 411
    CONTENT_TOO_LARGE = 413
    URI_TOO_LONG = 414
    UNSUPPORTED_MEDIA_TYPE = 415
    RANGE_NOT_SATISFIABLE = 416
    UNPROCESSABLE_CONTENT = 422  # the body does not match its media type
    APPLICATION_ERROR = 500  # an error of the COSEM application, a method's status above 0 among them
    NOT_IMPLEMENTED = 501
    SERVICE_UNAVAILABLE = 503
    VERSION_NOT_SUPPORTED = 505  # the annex prints 506, which has another meaning in HTTP
    INSUFFICIENT_STORAGE = 507


class ServiceError(SmgwError):
    """A request that is not served. `status` and `headers` go into the answer, the text into its body."""

    status: Status = Status.APPLICATION_ERROR

    def __init__(self, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.headers: dict[str, str] = dict(headers or {})


class BadRequest(ServiceError):
    """A missing or malformed header, path or filter."""

    status = Status.BAD_REQUEST


class Unauthorized(ServiceError):
    """A person's request without the right password (HTTP Basic, RFC 7617)."""

    status = Status.UNAUTHORIZED

    def __init__(self, reason: str) -> None:
        super().__init__(reason, {"WWW-Authenticate": 'Basic realm="EMP", charset="UTF-8"'})


class Forbidden(ServiceError):
    """A host name that is not ours, or an address that does not serve this resource."""

    status = Status.FORBIDDEN


class NotFound(ServiceError):
    """No such resource, or this peer may not see it."""

    status = Status.NOT_FOUND


class MethodNotAllowed(ServiceError):
    """The verb does not apply to this resource; the answer lists the verbs that do."""

    status = Status.METHOD_NOT_ALLOWED

    def __init__(self, verb: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{verb:.20} does not apply here; only {' and '.join(allowed)}", {"Allow": ", ".join(allowed)})
        self.allowed = allowed


class NotAcceptable(ServiceError):
    """The peer accepts none of our media types."""

    status = Status.NOT_ACCEPTABLE


class RequestTimeout(ServiceError):
    """The request did not arrive in time."""

    status = Status.REQUEST_TIMEOUT


class LengthRequired(ServiceError):
    """A body without Content-Length."""

    status = Status.LENGTH_REQUIRED


class ContentTooLarge(ServiceError):
    """A body larger than the limit, as sent or after decompression."""

    status = Status.CONTENT_TOO_LARGE


class UriTooLong(ServiceError):
    """A request URI of more than 4000 characters."""

    status = Status.URI_TOO_LONG


class UnsupportedMediaType(ServiceError):
    """A media type or content encoding that is not supported."""

    status = Status.UNSUPPORTED_MEDIA_TYPE


class RangeNotSatisfiable(ServiceError):
    """A range beyond the end; the answer gives the whole length."""

    status = Status.RANGE_NOT_SATISFIABLE

    def __init__(self, reason: str, total: int) -> None:
        super().__init__(reason, {"Content-Range": f"bytes */{total}"})


class Unprocessable(ServiceError):
    """A body that can be read, but whose content is wrong."""

    status = Status.UNPROCESSABLE_CONTENT


class ServiceUnavailable(ServiceError):
    """Not available now; try again after `retry_after` seconds."""

    status = Status.SERVICE_UNAVAILABLE

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason, {"Retry-After": str(retry_after)})
        self.retry_after = retry_after


class VersionNotSupported(ServiceError):
    """An HTTP version other than 1.0 and 1.1."""

    status = Status.VERSION_NOT_SUPPORTED
