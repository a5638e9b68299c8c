"""What a house sees of its gateway: values, contracts and books for the consumer, the state for a technician.

`exchange` has what a view is asked and answers; `views` are the ways to ask; `server` is the only place with a server.
"""
