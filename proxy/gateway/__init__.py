"""The proxy view's machinery: WSGI in front, `requests` behind, the core in between."""
