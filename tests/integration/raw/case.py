r"""One case of the raw corpus: the text format and its reader.

A case is a text file: a few lines about it, then blocks that start with `---`.

    Both framings in one head: what one hop believes is not what the next one does.
    Source: RFC 9112 §6.3 item 3
    Verdict: refuse 400
    --- client
    POST / HTTP/1.1
    Host: shop.test
    ...

The verdicts
    forward            as the blocks say; without any: forwarded, 200 "ok", still open
    refuse STATUS      that status, `Connection: close`, closed; no byte reached a backend
    answer STATUS      the edge answers by itself; no byte reached a backend
    abort STATUS       refused half-way: the backend may have got a beginning, never the whole
`STATUS` may name several (`400|501`) where the specification leaves the choice.
`Split: never` keeps a case out of the second run, which sends byte by byte.

The blocks
    --- client                what the client sends
    --- forwarded [new|same] [cut]
                              one for each request that the backend must get, in order: exactly
                              these fields, in any order. "new" and "same": the connection against
                              the previous request's. "cut": it never becomes complete
    --- backend               one for each request in order: what the backend answers
                              (without one: 200 "ok")
    --- answer STATUS [to METHOD] [cut] [maybe]
                              one for each response the client must get: these fields at
                              least; a body, if there is an empty line; "cut": never complete
                              (unless it is a 5xx that the edge makes up instead)
    --- then open|closed|any  what becomes of the client's connection; open: it serves another

Lines that are sent end in CRLF, unless they end in a backslash. Escapes: \r \n \t \0 \xNN \\.
A line that starts with `@` acts instead:
    @pause SECONDS  @half-close  @close  @reset
    @receive BYTES  (wait for them)   @receive-end  (backend only: wait for the end, and leave)
    @repeat COUNT BYTES  @drip SECONDS BYTES (each byte after a pause)
    @after head     (backend only: go on when the head is there; default: the whole request)
    @after body
In expectations
    @edge           (forwarded) the fields that the edge adds for a peer it does not trust
    Name: *         any value          Name: ~value    any but this one
    !Name           must be missing    ?Name: value    may be missing
    +Name: value    a trailer field
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
PLAIN_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
VERDICTS = ("forward", "refuse", "answer", "abort")
FATES = ("open", "closed", "any")
BARE_ACTIONS = ("half-close", "close", "reset", "receive-end")


class CaseError(ValueError):
    """A case file that does not follow the format; names the file and the line."""


class Step(NamedTuple):
    kind: str  # send, pause, receive, receive-end, drip, after, half-close, close, reset
    data: bytes = b""
    seconds: float = 0.0


class ExpectedField(NamedTuple):
    name: bytes
    value: bytes | None  # None: any
    rule: str = "has"  # has, other, may, lacks, trailer


@dataclass(frozen=True)
class Expected:
    """A message that has to come out at one end."""

    start: bytes
    statuses: tuple[int, ...] = ()
    method: bytes = b"GET"
    fields: tuple[ExpectedField, ...] = ()
    body: bytes | None = None
    edge_fields: bool = False
    connection: str = ""  # new, same
    cut: bool = False
    maybe: bool = False


@dataclass
class Case:
    name: str
    title: str = ""
    source: str = ""
    verdict: str = ""
    statuses: tuple[int, ...] = ()
    splittable: bool = True
    client: list[Step] = field(default_factory=list)
    backend: list[list[Step]] = field(default_factory=list)
    forwarded: list[Expected] = field(default_factory=list)
    answers: list[Expected] = field(default_factory=list)
    fate: str = ""


def unescape(text: str) -> bytes:
    """The bytes that `text` stands for; characters beyond ASCII are their UTF-8."""
    parts: list[bytes] = []
    end = 0
    for match in ESCAPE.finditer(text):
        parts.append(text[end : match.start()].encode())
        code = match[1]
        if code[0] == "x" and len(code) == 3:
            parts.append(bytes([int(code[1:], 16)]))
        elif code in PLAIN_ESCAPES:
            parts.append(PLAIN_ESCAPES[code])
        else:
            raise CaseError(f"unknown escape \\{code}")
        end = match.end()
    parts.append(text[end:].encode())
    return b"".join(parts)


def wire_line(line: str) -> bytes:
    """The line's bytes with its CRLF, or without, if it ends in one (odd) backslash."""
    trailing = len(line) - len(line.rstrip("\\"))
    if trailing % 2:
        return unescape(line[:-1])
    return unescape(line) + b"\r\n"


def read_steps(lines: list[str]) -> list[Step]:
    """What one side does, neighbouring lines joined into one send."""
    steps: list[Step] = []
    for line in lines:
        step = _action(line[1:]) if line.startswith("@") else Step("send", wire_line(line))
        if step.kind == "send" and steps and steps[-1].kind == "send":
            step = Step("send", steps.pop().data + step.data)
        steps.append(step)
    return steps


def _action(line: str) -> Step:
    word, _, rest = line.partition(" ")
    if word in BARE_ACTIONS and not rest:
        return Step(word)
    if word == "pause":
        return Step("pause", seconds=float(rest))
    if word == "receive":
        return Step("receive", unescape(rest))
    if word == "after" and rest in ("head", "body"):
        return Step("after", rest.encode())
    if word in ("repeat", "drip"):
        amount, _, text = rest.partition(" ")
        if word == "drip":
            return Step("drip", unescape(text), float(amount))
        return Step("send", unescape(text) * int(amount))
    raise CaseError(f"unknown action @{line}")


def read_expected(words: list[str], lines: list[str], *, request: bool) -> Expected:
    """A `forwarded` or `answer` block: [start line,] fields[, an empty line, the body]."""
    lines = list(lines)
    start = unescape(lines.pop(0)) if request else b""
    statuses: tuple[int, ...] = ()
    if not request:
        statuses = tuple(int(status) for status in words.pop(0).split("|"))
    method = words[words.index("to") + 1].encode() if "to" in words else b"GET"
    head, body = lines, None
    if "" in lines:
        at = lines.index("")
        head = lines[:at]
        body = b"".join(wire_line(line) for line in lines[at + 1 :])
        body = body.removesuffix(b"\r\n") if lines[-1] and not lines[-1].endswith("\\") else body
    return Expected(
        start=start,
        statuses=statuses,
        method=method,
        fields=tuple(_expected_field(line) for line in head if line != "@edge"),
        body=body,
        edge_fields="@edge" in head,
        connection=next((word for word in words if word in ("new", "same")), ""),
        cut="cut" in words,
        maybe="maybe" in words,
    )


def _expected_field(line: str) -> ExpectedField:
    rules = {"!": "lacks", "?": "may", "+": "trailer"}
    rule = rules.get(line[0], "has")
    if rule != "has":
        line = line[1:]
    name, colon, value = line.partition(":")
    if rule == "lacks":
        return ExpectedField(unescape(name).lower(), None, rule)
    if not colon:
        raise CaseError(f"an expected field needs a colon: {line!r}")
    value = value.removeprefix(" ")
    if value.startswith("~"):
        rule, value = "other", value[1:]
    return ExpectedField(unescape(name).lower(), None if value == "*" else unescape(value), rule)


def _blocks(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """(words after `---`, lines) of each block; the first has the words ["about"]."""
    words, lines = ["about"], list[str]()
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("--- "):
            yield words, lines
            words, lines = line[4:].split(), []
        else:
            lines.append(line)
    yield words, lines


def parse(text: str, name: str) -> Case:
    case = Case(name)
    try:
        for words, lines in _blocks(text):
            _read_block(case, words, lines)
        _check(case)
    except (CaseError, ValueError, IndexError) as error:
        raise CaseError(f"{name}: {error}") from error
    return case


def _read_block(case: Case, words: list[str], lines: list[str]) -> None:
    kind, *words = words
    if kind == "about":
        _read_about(case, lines)
    elif kind == "client":
        case.client = read_steps(lines)
    elif kind == "backend":
        case.backend.append(read_steps(lines))
    elif kind == "forwarded":
        case.forwarded.append(read_expected(words, lines, request=True))
    elif kind == "answer":
        case.answers.append(read_expected(words, lines, request=False))
    elif kind == "then":
        (case.fate,) = words
    else:
        raise CaseError(f"unknown block --- {kind}")


def _read_about(case: Case, lines: list[str]) -> None:
    title: list[str] = []
    for line in lines:
        if line.startswith("Source: "):
            case.source = line[8:]
        elif line.startswith("Verdict: "):
            case.verdict, _, statuses = line[9:].partition(" ")
            case.statuses = tuple(int(status) for status in statuses.split("|") if status)
        elif line == "Split: never":
            case.splittable = False
        else:
            title.append(line)
    case.title = " ".join(title).strip()


def _check(case: Case) -> None:
    """What the reader cannot see line by line; fills in what the verdict implies."""
    if not (case.title and case.source and case.client):
        raise CaseError("a title, a Source and a client block are needed")
    if case.verdict not in VERDICTS or (case.verdict == "forward") == bool(case.statuses):
        raise CaseError("the Verdict is forward, or refuse, answer or abort with a status")
    if case.fate and case.fate not in FATES:
        raise CaseError(f"then {case.fate}: not one of {FATES}")
    if case.verdict == "forward":
        case.fate = case.fate or "open"
        case.answers = case.answers or [Expected(b"", (200,), body=b"ok")]
        return
    if case.forwarded:
        raise CaseError(f"{case.verdict} cases forward nothing")
    answered = case.verdict == "answer"
    closing = () if answered else (ExpectedField(b"connection", b"close"),)
    case.fate = case.fate or ("any" if answered else "closed")
    case.answers = case.answers or [Expected(b"", case.statuses, fields=closing)]


def load(folder: Path) -> list[Case]:
    return [
        parse(path.read_text(encoding="utf-8"), str(path.relative_to(folder).with_suffix("")))
        for path in sorted(folder.rglob("*.http"))
    ]
