"""S0 pulses: a line of a GPIO chip as a meter."""
