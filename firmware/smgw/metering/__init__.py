"""Registration of captures: at every telegram or on the grid of a registration period. Durable writing comes first."""
