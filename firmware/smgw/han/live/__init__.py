"""Live values for the house: MQTT, P1 text, the answer of vzlogger and metrics. Each is off unless the file has it.

`feed` looks at the run directory for all of them; `points` says what a house sees of a capture.
"""
