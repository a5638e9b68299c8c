"""The entry of a toy outlet: letters in a folder, one line a row."""

from smgw.profiles import checks
from smgw.profiles.outlet import OutletKind
from smgw.profiles.section import Key

OUTLET = OutletKind(
    name="toy",
    opens="smgw.profiles.outlets._letters:LetterBox",
    keys={"folder": Key(checks.path, needed='"/srv/letters"')},
    build=lambda own: own["folder"],
    refused={"timeout": "a folder answers at once; leave it out"},
)
