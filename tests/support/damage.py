"""Ways to damage the octets of an SQLite file. Each takes a bytearray and a random.Random."""

PAGE = 4096


def flip(octets, dice):
    """64 flipped bits in one page."""
    start = dice.randrange(len(octets) // PAGE) * PAGE
    for _ in range(64):
        octets[start + dice.randrange(PAGE)] ^= 1 << dice.randrange(8)


def turn_header(octets, dice):
    """The first octets of a page: its kind, its number of cells, where they lie."""
    start = dice.randrange(1, len(octets) // PAGE) * PAGE
    octets[start : start + 8] = dice.randbytes(8)


def truncate(octets, dice):
    del octets[dice.randrange(len(octets) // 8, len(octets) - PAGE) :]


def zero(octets, dice):
    start = dice.randrange(1, len(octets) // PAGE) * PAGE
    octets[start : start + PAGE] = bytes(PAGE)


def exchange(octets, dice):
    """Two pages in each other's place."""
    one, two = (at * PAGE for at in dice.sample(range(1, len(octets) // PAGE), 2))
    octets[one : one + PAGE], octets[two : two + PAGE] = octets[two : two + PAGE], octets[one : one + PAGE]


def one_bit(octets, dice):
    octets[dice.randrange(len(octets))] ^= 1 << dice.randrange(8)


STRUCTURAL = (turn_header, truncate, zero, exchange)
DAMAGES = (*STRUCTURAL, flip, one_bit)
