"""The reports of REST in a terminal: the same parameters, functions and rows."""
