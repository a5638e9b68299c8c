"""S0 pulses, sans-IO: edges of a line in, counted pulses out; the dial and the power that they show.

Begin with `pulse.py` (the rule) and `dial.py` (the register).
"""
