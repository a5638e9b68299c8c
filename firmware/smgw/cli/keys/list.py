"""`smgw keys list`: which certificates and revocation lists are here, and how many days are left."""

import argparse
import time

from smgw.trust.certificate import utc
from smgw.trust.errors import FileError
from smgw.trust.folder import trust_directory
from smgw.trust.inventory import Item, inventory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "The fingerprint is the SHA-256 of the certificate. * marks what something newer has replaced.\n"
        "Exit code 1 if a file is damaged."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table; exit code 1 if a file is damaged."""
    trust = trust_directory(arguments.state)
    items, faults = inventory(trust)
    if not items and not faults:
        raise FileError(
            "there are no certificates here",
            "Make keys with `smgw keys request`, and take over certificates with `smgw keys install`.",
            file=trust,
        )
    now_s = int(time.time())
    rows: list[tuple[str, ...]] = [("kind", "use", "subject", "valid until", "days left", "fingerprint")]
    rows += [_row(one, now_s) for one in items]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    for fault in faults:
        print(f"! {fault}")
    return 1 if faults else 0


def _row(one: Item, now_s: int) -> tuple[str, ...]:
    kind = one.kind if one.in_use else f"{one.kind} *"
    left = str(one.days_left(now_s)) if one.until_s >= now_s else "ended"
    if one.not_before_s > now_s:
        left = f"from {utc(one.not_before_s)[:10]}"
    return kind, one.use, one.subject, utc(one.until_s)[:10], left, one.fingerprint
