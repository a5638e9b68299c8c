"""Registration of captures: at every telegram or on the grid of a registration period, durable before anything else."""
