"""A serial receiver at another speed than the sender: what it makes of the octets."""


def received(octets: bytes, sent_at: int, read_at: int, parity: bool = False) -> bytes:
    """The octets of a line with 8N1 (8E1 with `parity`), sampled in the middle of each bit as a UART does."""
    bits = b"".join(_bits(octet, parity) for octet in octets)
    ends = len(bits) / sent_at
    found, now, step = bytearray(), 0.0, 1 / (16 * read_at)

    def level(moment: float) -> int:
        place = int(moment * sent_at)
        return bits[place] if place < len(bits) else 1

    while now < ends:
        if level(now) or level(now + 0.5 / read_at):  # idle, or a start bit that was none
            now += step
            continue
        found.append(sum(level(now + (1.5 + place) / read_at) << place for place in range(8)))
        now += 9.5 / read_at
        while now < ends and not level(now):  # no stop bit: the line has to become idle
            now += step
    return bytes(found)


def _bits(octet: int, parity: bool) -> bytes:
    data = [octet >> place & 1 for place in range(8)]
    return bytes([0, *data, *([sum(data) % 2] if parity else []), 1])
