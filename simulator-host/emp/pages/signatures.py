"""What a page tells of the gateway's signatures of a row's values."""

from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.look.language import N_
from smgw.trust.value_verdict import Verdict

from emp.pages.view import View
from emp.store.storage import RowView
from emp.trust.verdicts import Verdicts, is_signed

_UNCHECKED = N_("not checked")
_WORDS = {
    Verdict.WRONG: (N_("wrong"), "bad"),
    Verdict.UNKNOWN: (N_("unknown signer"), "bad"),
    Verdict.SIGNED: (N_("signed"), "good"),
}


def signature(device: DeviceId, row: RowView, verdicts: Verdicts | None, view: View) -> dict[str, Any]:
    """The worst verdict on a row, and how many of its values are signed if not all are.

    A row without signatures is "not signed". Without a trust folder none is checked.
    """
    if not is_signed(row):
        return {"text": N_("not signed"), "kind": "", "part": ""}
    if verdicts is None:
        return {"text": _UNCHECKED, "kind": "", "part": ""}
    found = verdicts.of(device, row)
    text, kind = next((words for verdict, words in _WORDS.items() if found[verdict]), (N_("not signed"), ""))
    part = ""
    if found[Verdict.SIGNED] and found[Verdict.UNSIGNED]:
        part = f"{view.language.number(found[Verdict.SIGNED])}/{view.language.number(found.total())}"
    return {"text": text, "kind": kind, "part": part}
