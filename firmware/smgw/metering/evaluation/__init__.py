"""Evaluation of readings by a tariff use case: pure functions (TR-03109-1, TAF 1 to 14; PTB-A 50.8).

`evaluation.evaluate` is the way in: readings in the order of their registration times, and a state, give rows, events
and the next state. Nothing here knows the database or a clock.
"""
