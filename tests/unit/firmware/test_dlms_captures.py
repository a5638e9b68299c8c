"""Pushes of real meters, to the last field (issue 4, point 4). The Norwegian ones were checked against amshan."""

import pytest
from dlms_captures import apdus_of, as_read, dlms_capture, one_list, open_with_sample_key, pushes_of
from dlms_pushes import COUNTER, TIME, TITLE, in_blocks, made_pushes, objects, pairs
from smgw.cosem import MeterTime, MeterTimeKind
from smgw.dlms import data as axdr
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.push.lists import Way
from smgw.dlms.push.reader import Push, PushReader
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.wire import Refused

AIDON = ["1-0:1.7.0*255 280 W", "1-0:2.7.0*255 0 W", "1-0:3.7.0*255 0 var", "1-0:4.7.0*255 128 var",
         "1-0:31.7.0*255 1.3 A", "1-0:71.7.0*255 0.9 A", "1-0:32.7.0*255 227.6 V", "1-0:52.7.0*255 230.3 V",
         "1-0:72.7.0*255 230.9 V", "1-0:1.8.0*255 22721380 Wh", "1-0:2.8.0*255 0 Wh", "1-0:3.8.0*255 582430 varh",
         "1-0:4.8.0*255 1708430 varh"]  # fmt: skip
KAIFA = ["1-0:1.7.0*255 4904 W", "1-0:2.7.0*255 0 W", "1-0:3.7.0*255 0 var", "1-0:4.7.0*255 377 var",
         "1-0:31.7.0*255 14.571 A", "1-0:51.7.0*255 15.643 A", "1-0:71.7.0*255 9.525 A", "1-0:32.7.0*255 219.3 V",
         "1-0:52.7.0*255 0.0 V", "1-0:72.7.0*255 220.5 V", "1-0:1.8.0*255 79591144 Wh", "1-0:2.8.0*255 0 Wh",
         "1-0:3.8.0*255 889389 varh", "1-0:4.8.0*255 3210932 varh"]  # fmt: skip
KAMSTRUP_ONE_PHASE = ["1-1:1.7.0*255 1896 W", "1-1:2.7.0*255 0 W", "1-1:3.7.0*255 0 var", "1-1:4.7.0*255 493 var",
                      "1-1:31.7.0*255 8.96 A", "1-1:32.7.0*255 225 V"]  # fmt: skip
KAMSTRUP_HOUR = ["1-1:1.7.0*255 0 W", "1-1:31.7.0*255 0.00 A", "1-1:32.7.0*255 0 V", "1-1:1.8.0*255 0 Wh"]
KAMSTRUP_HOUR_THREE = ["1-1:1.7.0*255 0 W", "1-1:2.7.0*255 0 W", "1-1:3.7.0*255 0 var", "1-1:4.7.0*255 0 var",
                       "1-1:31.7.0*255 0.00 A", "1-1:51.7.0*255 0.00 A", "1-1:71.7.0*255 0.00 A",
                       "1-1:32.7.0*255 0 V", "1-1:52.7.0*255 0 V", "1-1:72.7.0*255 0 V", "1-1:1.8.0*255 0 Wh",
                       "1-1:2.8.0*255 0 Wh", "1-1:3.8.0*255 0 varh", "1-1:4.8.0*255 0 varh"]  # fmt: skip
KAMSTRUP_THREE_PHASES = ["1-1:1.7.0*255 826 W", "1-1:2.7.0*255 0 W", "1-1:3.7.0*255 104 var", "1-1:4.7.0*255 176 var",
                         "1-1:31.7.0*255 2.37 A", "1-1:51.7.0*255 0.89 A", "1-1:71.7.0*255 0.75 A",
                         "1-1:32.7.0*255 232 V", "1-1:52.7.0*255 233 V", "1-1:72.7.0*255 236 V"]  # fmt: skip
TINETZ = ["1-0:32.7.0*255 230.8 V", "1-0:31.7.0*255 0.00 A", "1-0:1.7.0*255 0 W", "1-0:2.7.0*255 0 W",
          "1-0:1.8.0*255 9108 Wh", "1-0:2.8.0*255 0 Wh", "1-0:3.8.0*255 96 varh", "1-0:4.8.0*255 9 varh"]  # fmt: skip
ISKRA = ["1-1:1.7.0*255 0 W", "1-1:2.7.0*255 0 W", "1-1:3.7.0*255 0 var", "1-1:4.7.0*255 0 var",
         "1-1:1.8.0*255 6229669 Wh", "1-1:1.8.1*255 3097647 Wh", "1-1:1.8.2*255 3132022 Wh", "1-1:2.8.0*255 0 Wh",
         "1-1:2.8.1*255 0 Wh", "1-1:2.8.2*255 0 Wh", "1-1:5.8.0*255 345980 varh", "1-1:5.8.1*255 230463 varh",
         "1-1:5.8.2*255 115517 varh", "1-1:6.8.0*255 9 varh", "1-1:6.8.1*255 9 varh", "1-1:6.8.2*255 0 varh",
         "1-1:7.8.0*255 0 varh", "1-1:7.8.1*255 0 varh", "1-1:7.8.2*255 0 varh", "1-1:8.8.0*255 68343 varh",
         "1-1:8.8.1*255 38064 varh", "1-1:8.8.2*255 30279 varh", "1-0:13.7.0*255 0.000"]  # fmt: skip
E450 = ["1-0:1.7.0*255 777 W", "1-0:2.7.0*255 0 W", "1-1:1.8.0*255 25149419 Wh", "1-1:2.8.0*255 4422366 Wh",
        "1-1:5.8.0*255 3132846 varh", "1-1:6.8.0*255 13247 varh", "1-1:7.8.0*255 3633198 varh",
        "1-1:8.8.0*255 15745368 varh"]  # fmt: skip
E570 = ["1-0:1.7.0*255 0 W", "1-0:2.7.0*255 0 W", "1-0:3.7.0*255 0 var", "1-0:4.7.0*255 0 var",
        "1-1:1.8.0*255 862055 Wh", "1-1:2.8.0*255 641361 Wh", "1-1:5.8.0*255 595211 varh", "1-1:6.8.0*255 73518 varh",
        "1-1:7.8.0*255 287389 varh", "1-1:8.8.0*255 78751 varh", "1-0:31.7.0*255 0 A", "1-0:51.7.0*255 0 A",
        "1-0:71.7.0*255 0 A", "1-0:13.7.0*255 1.000"]  # fmt: skip
E570_2026 = ["1-1:1.8.0*255 2607383 Wh", "1-1:2.8.0*255 641338 Wh", "1-1:3.8.0*255 956364 varh",
             "1-1:4.8.0*255 2329593 varh", "1-0:1.7.0*255 258874 W", "1-0:2.7.0*255 0 W", "1-0:32.7.0*255 229 V",
             "1-0:52.7.0*255 230 V", "1-0:72.7.0*255 229 V", "1-0:31.7.0*255 400 A", "1-0:51.7.0*255 200 A",
             "1-0:71.7.0*255 601 A"]  # fmt: skip

NAMED, OBJECTS, PLACES = Way.NAMED, Way.OBJECTS, Way.PLACES
FREE = [
    ("amshan/aidon_no_list_1_llc.bin", NAMED, None, None, "", ["1-0:1.7.0*255 280 W"]),
    ("amshan/aidon_no_list_3_llc.bin", NAMED, None, "7359992892587665", "07e4011502100000ff000000", AIDON),
    ("amshan/hdlc_frame_with_escape_character_in_info.bin", NAMED, None, None, "", ["1-0:1.7.0*255 1661 W"]),
    ("amshan/kaifa_no_list_1_llc.bin", PLACES, None, None, "07e3020401173416ff800000", ["1-0:1.7.0*255 5852 W"]),
    ("amshan/kaifa_no_list_3_llc.bin", PLACES, "KFM_001", "6970631402614476", "07e40119060e000aff800000", KAIFA),
    ("amshan/kamstrup_no_list_1_single_phase_real_sample_llc.bin", NAMED, "Kamstrup_V0001", "5705705705705702",
     "07e60111010c2c28ff800000", KAMSTRUP_ONE_PHASE),
    ("amshan/kamstrup_no_list_2_single_phase_llc.bin", NAMED, "Kamstrup_V0001", "5706567000000000",
     "07e1081003100005ff800000", KAMSTRUP_HOUR),
    ("amshan/kamstrup_no_list_2_three_phase_llc.bin", NAMED, "Kamstrup_V0001", "5706567000000000",
     "07e1081003100005ff800000", KAMSTRUP_HOUR_THREE),
]  # fmt: skip
SHARED = [
    ("dlms-cosem/kamstrup_norwegian_han_0.bin", NAMED, "Kamstrup_V0001", "5706567326590407",
     "07e6011801123a32ff800000", KAMSTRUP_THREE_PHASES),
    ("operator-docs/tinetz_kaifa_mbus_dlms.bin", NAMED, None, "KFM1100100000035", "07e50713010f2e2300ff8880", TINETZ),
    ("smartmeter-datacollector/iskra_am550_unencrypted_valid_data.bin", OBJECTS, None, "ISK1030775213859",
     "07e4080f0606132d00ff8880", ISKRA),
    ("smartmeter-datacollector/lg_e450_unencrypted_valid_data1.bin", OBJECTS, None, "44337811",
     "07e60b160210251eff800000", E450),
    ("smartmeter-datacollector/lg_e570_encrypted_valid_data.bin", OBJECTS, None, "LGZ1030769231253",
     "07e8030d0309022dff800000", E570),
    ("smartmeter-datacollector/lg_e570_unencrypted_valid_data_load_cfg2026.bin", OBJECTS, None, "LGZ1030769231250",
     "07ea060902100428ff800000", E570_2026),
]  # fmt: skip
MADE = [(name, one.way, one.version, one.device, TIME.hex(), one.readings) for name, one in made_pushes().items()]


@pytest.mark.parametrize(("name", "way", "version", "device", "time", "readings"), FREE + SHARED + MADE)
def test_a_push_of_a_real_meter_is_read_to_the_last_field(
    name: str, way: Way, version: str | None, device: str | None, time: str, readings: list[str]
) -> None:
    found = one_list(name)
    assert (found.way, found.version) == (way, version)
    assert found.device() == (device.encode() if device else None)
    assert found.meter_time == (MeterTime(MeterTimeKind.DLMS_DATE_TIME, bytes.fromhex(time)) if time else None)
    assert as_read(found) == readings


@pytest.mark.parametrize("name", [one[0] for one in FREE + SHARED + MADE])
def test_a_push_of_a_real_meter_is_written_as_it_came(name: str) -> None:
    (push,), _ = pushes_of(name)
    notification = push.notification
    assert isinstance(notification, DataNotification)
    assert axdr.encode(axdr.decode_all(notification.body)) == notification.body
    assert decode_apdu(notification.encode()) == notification


@pytest.mark.parametrize("name", [one[0] for one in FREE + SHARED + MADE])
def test_a_push_of_a_real_meter_with_an_apdu_cut_short_gives_nothing(name: str) -> None:
    apdus, _ = apdus_of(name)
    for apdu in apdus:
        if apdu[0] == 0x0F:
            for size in range(0, len(apdu), 7):
                with pytest.raises(Exception, match="octet"):
                    decode_apdu(apdu[:size])


def test_the_time_of_a_ciphered_push_comes_with_title_and_counter() -> None:
    (push,), _ = pushes_of("smartmeter-datacollector/lg_e570_encrypted_valid_data.bin")
    assert push.ciphered is not None
    assert push.ciphered.system_title == b"LGZgt b\x95"
    assert push.ciphered.invocation_counter == 9334


@pytest.mark.parametrize("name", [name for name, made in made_pushes().items() if made.ciphered])
def test_the_time_of_a_made_ciphered_push_comes_with_title_and_counter(name: str) -> None:
    (push,), _ = pushes_of(name)
    assert push.ciphered is not None
    assert (push.ciphered.system_title, push.ciphered.invocation_counter) == (TITLE, COUNTER)


def test_a_made_push_ciphered_with_a_key_that_nobody_gave_is_refused_and_the_reason_says_so() -> None:
    keys = Keys.of(Suite.AES_GCM_128, bytes(16), bytes(16))
    sealed = seal(keys, Protection.BOTH, TITLE, COUNTER, pairs())
    (refused,) = PushReader(open_with_sample_key).receive(Ciphered(GENERAL_GLO, sealed, TITLE).encode())
    assert isinstance(refused, Refused)
    assert "tag is wrong" in refused.reason


def test_made_blocks_out_of_their_order_give_no_push() -> None:
    first, second, third, *_ = in_blocks(objects("0-8:25.9.0", "44000011"), 60)
    reader = PushReader()
    events = [event for apdu in (first, second, second, third) for event in reader.receive(apdu)]
    assert not [event for event in events if isinstance(event, Push)]
    refused = [event.reason for event in events if isinstance(event, Refused)]
    assert refused[0] == "block 2 of an APDU where block 3 was to come"


def test_a_push_ciphered_with_a_key_that_nobody_gave_is_refused_and_the_reason_says_so() -> None:
    pushes, refused = pushes_of("smartmeter-datacollector/lg_e450_encrypted_data_no_pushlist.bin")
    assert pushes == []
    assert len(refused) == 1
    assert "tag is wrong" in refused[0]


def test_blocks_out_of_their_order_give_no_push() -> None:
    """The second block twice, the last before the third: values of one moment and names of another."""
    pushes, refused = pushes_of("smartmeter-datacollector/lg_e450_unencrypted_invalid_data.bin")
    assert pushes == []
    assert refused[0] == "block 2 of an APDU where block 3 was to come"


def test_the_stuffed_capture_is_refused_and_the_reason_says_so() -> None:
    assert pushes_of("amshan/hdlc_stuffed_frame_short_info.bin")[0] == []
    assert "stuffed" in pushes_of("amshan/hdlc_stuffed_frame_short_info.bin")[1][0]


def test_a_frame_without_information_carries_nothing() -> None:
    assert len(dlms_capture("amshan/hdlc_frame_empty_info.bin")) == 10
    assert pushes_of("amshan/hdlc_frame_empty_info.bin") == ([], [])
