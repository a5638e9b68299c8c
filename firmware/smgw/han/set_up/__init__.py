"""The set-up in a browser, before a consumer exists: who may do it, what it orders, and what comes back."""
