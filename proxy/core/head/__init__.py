"""Message heads: bytes to `RequestHead` and `ResponseHead`, erring on refusing.

gunicorn_h1c (picohttpparser) splits the head; it accepts things that another
parser may read differently (a bare LF, a folded line, two spaces in the request
line), and each of these has been used to smuggle a request past a proxy. What
follows the parser is therefore the strict part: RFC 9112 where it says MUST,
and where it says MAY the refusing choice.
"""
