"""Errors of COSEM-XML: the element, its line, the fault and the correct form."""

from smgw.errors import SmgwError


class CosemXmlError(SmgwError, ValueError):
    """Annex II does not allow this XML text, or this resource as XML."""

    def __init__(self, reason: str, path: str = "", line: int | None = None) -> None:
        place = f"{path or 'the text'}, line {line}" if line else path
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.path = path
        self.line = line
