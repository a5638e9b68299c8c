"""An association as both sides go through it, and the client's side of it."""
