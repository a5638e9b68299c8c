"""COSEM-XML documents by HTTP PUT (TR-03109-1 Annex II)."""

from smgw.profiles import checks
from smgw.profiles.outlet import OutletKind
from smgw.profiles.section import Key

OUTLET = OutletKind(
    name="cosem-xml",
    opens="smgw.wan.cosem_xml.outlet:CosemXmlOutlet",
    keys={
        "url": Key(
            checks.http_url,
            needed='"http://host:port/path"',
            about="Address of the EMP; documents go to paths below it; it has no default.",
        ),
        "timeout": Key(
            checks.integer(1, 600, "s"),
            about="Seconds that one HTTP exchange may take; 20 s by default.",
        ),
    },
)
