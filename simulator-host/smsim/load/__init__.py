"""Load profiles, the simulated calendar, and the registers that both drive."""
