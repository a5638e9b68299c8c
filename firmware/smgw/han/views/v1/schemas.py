"""The schemas of v1's JSON (OpenAPI 3.1): what `shapes` makes, field by field."""

from typing import Any

from smgw.han.calendar import Step
from smgw.profiles.use_cases import USE_CASES

Schema = dict[str, Any]


def _text(about: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": about} if about else {}), **more}


def _or_none(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _whole(about: str = "", **more: Any) -> Schema:
    return {"type": "integer", **({"description": about} if about else {}), **more}


def _truth(about: str) -> Schema:
    return {"type": "boolean", "description": about}


def array(of: Schema, about: str = "") -> Schema:
    """An array of these."""
    return {"type": "array", "items": of, **({"description": about} if about else {})}


def of(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(about: str, optional: tuple[str, ...] = (), **fields: Schema) -> Schema:
    needed = [name for name in fields if name not in optional]
    return {
        "type": "object",
        "description": about,
        "properties": fields,
        "required": needed,
        "additionalProperties": False,
    }


_TIME = _text("ISO 8601, in UTC", format="date-time")
_TIME_OR_NONE = _or_none(_TIME)
_ID = _text("as it stands in addresses")
_OBIS = _text("OBIS code, such as 1-0:1.8.0*255")
_VALUE = _text("decimal number without rounding; octets as hex digits")
_VALUE_OR_NONE = _or_none(_VALUE)
_UNIT = _text("symbol of the unit; empty: none")
_HEX = _text("hex digits", pattern="^([0-9a-f]{2})*$")
_VALID = _truth("the gateway's clock was synchronised")
_SPAN: dict[str, Schema] = {"from": _TIME_OR_NONE, "to": _TIME_OR_NONE}
_ONE_VALUE = _object(
    "a value of a register", ("signature",), obis=_OBIS, value=_VALUE_OR_NONE, unit=_UNIT, signature=_HEX
)

SCHEMAS: dict[str, Schema] = {
    "Link": _object("a resource of a list; a name with a slash at its end is a list again", ("of",), id=_ID, of=_ID),
    "Problem": _object("why there is no answer", status=_whole(), error=_text(), text=_text()),
    "Span": _object("both ends included; null: open", (), **_SPAN),
    "Value": _ONE_VALUE,
    "Gateway": _object(
        "the gateway",
        id=_ID,
        time=_TIME,
        time_valid=_VALID,
        time_within_us=_or_none(_whole("how far the time may be off, in microseconds")),
        firmware=array(_object("a part of the firmware", component=_text(), version=_text(), sha256=_HEX)),
    ),
    "Meter": _object(
        "a meter",
        id=_ID,
        registration_period=_whole("seconds; 0: every telegram"),
        allowed=array(_OBIS, "registers that the operator's profile stores; none: whatever the meter sends"),
        shown=array(of("Span"), "the times whose values may be seen"),
        devices=array(
            _object(
                "a device behind the meter, the newest last",
                id=_ID,
                registers=array(_object("a register that it has sent", obis=_OBIS, scaler=_whole(), unit=_UNIT)),
            )
        ),
        states=array(_object("its state", device=_or_none(_ID), state=_text(), text=_text())),
    ),
    "Registers": _object(
        "the registers of a contract for one measured register",
        device=_ID,
        measured=_OBIS,
        time=_TIME,
        unit=_UNIT,
        registers=array(
            _object(
                "a register: 0 the total, 63 the error register, else the step",
                number=_whole(minimum=0, maximum=255),
                obis=_OBIS,
                value=_VALUE,
            )
        ),
    ),
    "Contract": _object(
        "a contract (Auswertungsprofil)",
        id=_ID,
        taf=_whole("tariff use case", enum=sorted(USE_CASES)),
        title=_text(),
        usage_point=_text(),
        consumer=_text(),
        supplier=_text(),
        meters=array(_ID, "meters that are added"),
        subtract=array(_ID, "meters that are subtracted"),
        objects=array(_OBIS, "measured registers"),
        begin=_TIME_OR_NONE,
        end=_TIME_OR_NONE,
        zone=_text("of billing periods and days"),
        registration_period=_whole("seconds"),
        billing_months=_whole(),
        profile=_text("the profile as the gateway holds it, as JSON"),
        devices=array(_ID, "devices of its derived registers; the last one is that of the present version"),
        registers=array(of("Registers"), "as they are now"),
    ),
    "Live": _object(
        "the newest telegrams of a meter",
        id=_ID,
        telegrams=array(
            _object(
                "a telegram",
                device=_ID,
                capture_time=_TIME,
                time_valid=_VALID,
                for_billing=_truth("always false"),
                values=array(of("Value")),
            )
        ),
    ),
    "Recipient": _object(
        "an EMP that may have values",
        emp=_text(),
        objects=array(_OBIS, "none: all"),
        pseudonym_days=_whole("days after which its pseudonym of the device changes; 0: it has the id"),
        last_delivery=_TIME_OR_NONE,
    ),
    "Record": _object(
        "a stored row",
        ("signature",),
        target_time=_TIME_OR_NONE,
        capture_time=_TIME,
        time_valid=_VALID,
        origin=_text(enum=["measured", "history", "missing"]),
        status=_text("status word, bit 0 of each half last", pattern="^[0-9a-f]{16}$"),
        ptb_status=_whole("0 good, 1 warning, 2 substitute, 3 error, 4 fatal", minimum=0, maximum=4),
        values=array(of("Value")),
        signature=_HEX,
    ),
    "Amount": _object(
        "what a register counted from begin to end; null: not known",
        begin=_TIME,
        end=_TIME,
        value=_VALUE_OR_NONE,
        unit=_UNIT,
        exact=_truth("both ends have their reading"),
    ),
    "Closing": _object(
        "the value at a time; the last one before, if there is none",
        time=_TIME,
        reading_time=_TIME_OR_NONE,
        value=_VALUE_OR_NONE,
        unit=_UNIT,
    ),
    "Gaps": _object(
        "registration times after begin and up to end",
        begin=_TIME,
        end=_TIME,
        expected=_whole("until now"),
        present=_whole(),
        missing=array(of("Span")),
        unusable=array(of("Span"), "values that do not count"),
    ),
    "Period": _object(
        "a billing period; steps and error add up to the total",
        device=_ID,
        measured=_OBIS,
        begin=_TIME,
        end=_TIME,
        open=_truth("it has not ended"),
        steps=array(_object("a step", number=_whole(), value=_VALUE)),
        error=_VALUE,
        total=_VALUE,
        unit=_UNIT,
    ),
    "Entry": _object(
        "an entry of the consumer's log book",
        number=_whole("from 1, without gaps, in each process"),
        time=_TIME,
        time_valid=_VALID,
        event=_text(),
        event_id=_or_none(_whole("number in the field")),
        vendor=_text("whose number it is"),
        level=_text(enum=["I", "W", "E", "F"]),
        good=_truth("the outcome"),
        text=_text(),
        subject=_text("what it is about"),
        user=_text(),
    ),
}
STEPS = [str(one) for one in Step]
