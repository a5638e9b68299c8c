"""Checks the values of all protocols: applies the profile's corrections and reports implausible values."""

from collections.abc import Mapping

from smgw.cosem.corrections import Corrections, corrected
from smgw.cosem.plausibility import implausible
from smgw.lmn.contract import Values
from smgw.store.records import ProfileRow


def judged(values: Values, corrections: Corrections) -> tuple[Values, Mapping[str, str]]:
    """Corrected values, and texts to log once for their device: subject -> text. The remark contains them."""
    readings, left_out = corrected(values.readings, corrections)
    doubts: dict[str, str] = {one: one for one in left_out}
    # Behind transformers a factor gives thousands of volts.
    doubts |= implausible(one for one in readings if one.obis not in corrections.factors)
    if readings is values.readings and not doubts:
        return values, doubts
    remark = "; ".join(filter(None, (values.remark, *doubts.values())))
    return values._replace(readings=readings, remark=remark), doubts


def corrected_row(row: ProfileRow, corrections: Corrections) -> ProfileRow:
    """The row of a load profile with the profile's corrections. A value that cannot be corrected is left out."""
    return row._replace(readings=corrected(row.readings, corrections)[0]) if corrections else row
