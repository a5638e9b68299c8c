"""What is wrong with a COSEM-XML text: the element, its line, and what would be right."""

from smgw.errors import SmgwError


class CosemXmlError(SmgwError, ValueError):
    """An XML text (or the resource to be written as one) that Annex II does not allow."""

    def __init__(self, reason: str, path: str = "", line: int | None = None) -> None:
        place = f"{path or 'the text'}, line {line}" if line else path
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.path = path
        self.line = line
