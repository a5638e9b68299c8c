"""Delivery of the store's rows to external market participants, and time samples for the clock."""
