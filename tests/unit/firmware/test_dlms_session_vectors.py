"""A session of the Green Book (9.2.7.2.4.6, 11.4), octet by octet: low level security, suite 0, a dedicated key."""

from smgw.cosem import AttributeName, Obis
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.descriptors import encode_attribute
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Keys, Suite
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Send

KEYS = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE = bytes.fromhex("4D4D4D0000BC614E")  # both sides have it in the book
COUNTER = 0x01234567
DEDICATED = Secret(bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
PASSWORD = Password(Secret(b"12345678"))
ASKED, GRANTED = Conformance(0x007E1F), Conformance(0x007C1F)
AARQ = bytes.fromhex(
    "6066A109060760857405080103A60A04084D4D4D0000BC614E8A0207808B0760857405080201AC0A80083132333435363738"
    "BE34043221303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855"
)
AARE = bytes.fromhex(
    "6148A109060760857405080103A203020100A305A103020100A40A04084D4D4D0000BC614E"
    "BE230421281F3001234567891214A0845E475714383F65BC19745CA235906525E4F3E1C893"
)
#: Clock (class 8, 0.0.1.0.0.255), attribute 2, with invoke-id 0: as it is inside, and ciphered with the global key.
GLO_GET = bytes.fromhex("C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B")
GET = bytes.fromhex("C0010000080000010000FF0200")


def client() -> Client:
    ciphering = Ciphering(Setting(KEYS, TITLE, lambda: COUNTER), dedicated=DEDICATED)
    return Client(PASSWORD, ciphering, conformance=ASKED, max_pdu_size=0x04B0)


def test_the_client_asks_for_the_association_as_the_book_does() -> None:
    assert client().associate() == [Send(AARQ)]


def test_the_client_takes_the_book_s_answer() -> None:
    session = client()
    session.associate()
    (associated,) = session.receive(AARE)
    assert isinstance(associated, Associated)
    assert associated.agreement == (GRANTED, 0x0400, Mechanism.LOW, TITLE)


def test_the_server_takes_the_book_s_request_and_answers_as_the_book_does() -> None:
    admission = Admission(
        PASSWORD,
        lambda: Ciphering(Setting(KEYS, TITLE, lambda: COUNTER)),
        conformance=GRANTED,
        max_pdu_size=0x0400,
    )
    reply, associated = Server(Nothing(), 1, admission).receive(AARQ)
    assert reply == Send(AARE)
    assert isinstance(associated, Associated)


def test_a_get_is_ciphered_as_in_the_book() -> None:
    assert encode_attribute(AttributeName(8, Obis.parse("0-0:1.0.0*255"), 2)) in GET
    assert Ciphering(Setting(KEYS, TITLE, lambda: COUNTER)).protect(GET) == GLO_GET


class Nothing:
    """A meter without objects."""

    read = write = invoke = None
