"""What an EMP's profile asks for besides HTTP: TLS, sealed documents, both or neither; its code is loaded on need."""

from typing import TYPE_CHECKING, NamedTuple

from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.outlets.cosem_xml import OFF, CosemXmlOptions, is_plain
from smgw.wan.outlet import Surroundings

if TYPE_CHECKING:
    from smgw.wan.cosem_xml.sealing import Sealing
    from smgw.wan.cosem_xml.secure import Way


class Secured(NamedTuple):
    """TLS and CMS towards one EMP; None where the profile does without."""

    way: "Way | None" = None
    sealing: "Sealing | None" = None


def secured(gateway: DeviceId, profile: CommunicationProfile, surroundings: Surroundings) -> Secured:
    """As the profile says. No file is read now."""
    plain = is_plain(profile.url)
    options = profile.options or CosemXmlOptions(cms=OFF if plain else CosemXmlOptions().cms)
    if plain and options.cms == OFF:
        return Secured()
    from smgw.wan.cosem_xml.parties import Parties
    from smgw.wan.cosem_xml.sealing import Sealing
    from smgw.wan.cosem_xml.secure import Way

    parties = Parties(surroundings.trust, gateway, profile.participant, surroundings.now)
    return Secured(
        None if plain else Way(parties, surroundings.passphrase),
        None if options.cms == OFF else Sealing(parties, surroundings.open_keys(), options),
    )
