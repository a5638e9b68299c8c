"""Pages for people: their contents, their templates and their files."""
