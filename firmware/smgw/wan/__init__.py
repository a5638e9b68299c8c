"""The way to the external market participants: delivery of the store's rows, and time samples for the clock."""
