"""What is asked of the head-end and what it answers: resources, rows and curves as XML, JSON and CSV."""
