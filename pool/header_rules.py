"""Header rules as people and programs write them, checked. No Django in here.

Two written forms of the same rules: lines of text, for a form,

    set X-Frame-Options: DENY
    add Cache-Tag: shop
    remove Server

and a JSON list of {"action", "name", "value"}, for REST and the database. Both
end in `pool.snapshot.HeaderRule`; nothing else comes out of here than what an
edge can put on the wire without changing what the message is.
"""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from pool.choices import HeaderAction
from pool.fingerprint import fingerprint
from pool.snapshot import HeaderRule

MAX_RULES = 50
MAX_BYTES = 16 * 1024  # of names and values; they travel with every snapshot

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t -~]+")  # §5.5 without obs-text, which its readers disagree about
# Names of fields whose values let somebody in; wide, as Django's own for its error pages.
_CREDENTIAL = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)
_KEYS = {"action", "name", "value"}
_EXAMPLE = {
    HeaderAction.SET: "set X-Frame-Options: DENY",
    HeaderAction.ADD: "add Cache-Tag: shop",
    HeaderAction.REMOVE: "remove Server",
}
_PROBE_EXAMPLE = "set X-Forwarded-Proto: https"
_JSON_EXAMPLE = '{"action": "set", "name": "X-Frame-Options", "value": "DENY"}'

# Why no rule may touch a field, by its name in lower case: RFC 9110 §7.6.1 and RFC 9112 §6.
_FRAMING = "it says where a message ends, which only the edge knows"
_CONNECTION = "it speaks of one connection, and the edge has its own on each side"
_UNTOUCHABLE = {
    "content-length": _FRAMING,
    "transfer-encoding": _FRAMING,
    "trailer": _FRAMING,
    "connection": _CONNECTION,
    "keep-alive": _CONNECTION,
    "te": _CONNECTION,
    "upgrade": _CONNECTION,
    "http2-settings": _CONNECTION,
    "expect": "the edge and the backend settle with it when a body is sent",
    "host": "say it with the pool's host_header instead",
}
# What the edge writes anew in each request, after all rules.
_WRITTEN_BY_EDGE = frozenset(
    [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-request-id",
    ]
)

T = TypeVar("T")


class Message(StrEnum):
    """What the rules apply to."""

    REQUEST = "request"
    RESPONSE = "response"
    PROBE = "probe"  # a request that no client has sent


# Columns of the pool that say whether a field is written.
_SWITCHES = {
    (Message.REQUEST, "forwarded"): "forwarded_header",
    (Message.RESPONSE, "x-request-id"): "request_id_header",
}


class HeaderRulesError(ValueError):
    """`problems` has one sentence for each rule that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def normalise_token(text: str) -> str:
    """The name of a field or a cookie (RFC 9110 §5.6.2); ValueError if it is none."""
    text = text.strip()
    if not _TOKEN.fullmatch(text):
        raise ValueError(
            "Write a name of letters, digits and hyphens, without spaces, such as X-Session-Id."
        )
    return text


def why_not_end_to_end(name: str) -> str:
    """Why the field `name` does not get from client to backend and back; empty if it does."""
    lower = name.lower().replace("_", "-")  # backends take both for the same
    if lower in _WRITTEN_BY_EDGE or lower.startswith(("x-forwarded-", "x-lb-", "x-real-ip")):
        return "the edge writes it itself, or takes it away"
    return _CONNECTION if lower.startswith("proxy-") else _UNTOUCHABLE.get(lower, "")


def parse_lines(text: str, message: Message) -> tuple[HeaderRule, ...]:
    """The rules in `text`, one a line; empty lines are skipped."""
    # Not splitlines(): it takes characters for line ends that would hide in a value.
    lines = text.replace("\r\n", "\n").split("\n")
    numbered = [(f"Line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    return _collect(numbered, lambda line: _parse_line(line, message))


def parse_json(value: Any, message: Message) -> tuple[HeaderRule, ...]:
    """The rules in a list of objects; a HeaderRule may stand for an object."""
    if not isinstance(value, list | tuple):
        raise HeaderRulesError([f"Give a list of rules: [{_JSON_EXAMPLE}]."])
    numbered = [(f"Rule {number}", item) for number, item in enumerate(value, 1)]
    return _collect(numbered, lambda item: _parse_item(item, message))


def from_stored(value: Any) -> tuple[HeaderRule, ...]:
    """Rules that were checked when they were stored, perhaps by another version's rules."""
    return msgspec.convert(value, tuple[HeaderRule, ...])


def format_lines(rules: Iterable[HeaderRule]) -> str:
    return "\n".join(format_rule(rule) for rule in rules)


def format_rule(rule: HeaderRule) -> str:
    if rule.action is HeaderAction.REMOVE:
        return f"{rule.action} {rule.name}"
    return f"{rule.action} {rule.name}: {rule.value}"


def tell_rule(rule: HeaderRule) -> str:
    """For the history, which more people read: of a credential, what tells it from another one."""
    if rule.value and _CREDENTIAL.search(rule.name):
        return f"{rule.action} {rule.name}: … (fingerprint {fingerprint(rule.value)})"
    return format_rule(rule)


def format_json(rules: Iterable[HeaderRule]) -> list[dict[str, str]]:
    """A removal has no "value"."""
    return [msgspec.to_builtins(rule) for rule in rules]


def _collect(
    numbered: list[tuple[str, T]], parse: Callable[[T], HeaderRule]
) -> tuple[HeaderRule, ...]:
    if len(numbered) > MAX_RULES:
        raise HeaderRulesError([f"Give at most {MAX_RULES} rules, not {len(numbered)}."])
    rules, problems = [], []
    for where, item in numbered:
        try:
            rules.append(parse(item))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise HeaderRulesError(problems)
    if sum(len(rule.name) + len(rule.value) for rule in rules) > MAX_BYTES:
        raise HeaderRulesError([f"Shorten the rules to {MAX_BYTES} bytes in all."])
    return tuple(rules)


def _parse_line(line: str, message: Message) -> HeaderRule:
    # Only what RFC 9110 §5.6.3 calls whitespace: any other character is an error below.
    word, *more = re.split(r"[ \t]+", line.strip(" \t"), maxsplit=1)
    rest = more[0] if more else ""
    action = _action(word)
    name, colon, value = rest.partition(":")
    if action is HeaderAction.REMOVE and colon:
        raise ValueError(f'write the name alone, as in "{_EXAMPLE[action]}".')
    if action is not HeaderAction.REMOVE and not colon:
        raise ValueError(f'write a colon between name and value, as in "{_EXAMPLE[action]}".')
    return _check(action, name, value, message)


def _parse_item(item: Any, message: Message) -> HeaderRule:
    if isinstance(item, HeaderRule):
        item = msgspec.to_builtins(item)
    if not isinstance(item, dict) or not {"action", "name"} <= item.keys() <= _KEYS:
        raise ValueError('give an object with "action", "name" and, unless it removes, "value".')
    if not all(isinstance(part, str) for part in item.values()):
        raise ValueError("write action, name and value as text.")
    return _check(_action(item["action"]), item["name"], item.get("value", ""), message)


def _action(word: str) -> HeaderAction:
    try:
        return HeaderAction(word.lower())
    except ValueError:
        examples = ", ".join(f'"{example}"' for example in _EXAMPLE.values())
        raise ValueError(f"begin with set, add or remove: {examples}.") from None


def _check(action: HeaderAction, name: str, value: str, message: Message) -> HeaderRule:
    name, value = name.strip(" \t"), value.strip(" \t")
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            "give the field's name in letters, digits and hyphens (RFC 9110 §5.6.2), "
            "without spaces."
        )
    _check_name(action, name, message)
    if action is HeaderAction.REMOVE:
        if value:
            raise ValueError(f"leave out the value: remove takes {name} away whatever it says.")
    elif not value:
        raise ValueError(f"give a value for {name}, or remove the field.")
    elif not _VALUE.fullmatch(value):
        raise ValueError(
            f"write the value of {name} in visible ASCII, spaces and tabs, on one line."
        )
    return HeaderRule(action=action, name=name, value=value)


def _check_name(action: HeaderAction, name: str, message: Message) -> None:
    lower = name.lower()
    if message is Message.PROBE and action is not HeaderAction.SET:
        raise ValueError(f'a probe has nothing else: begin with set, as in "{_PROBE_EXAMPLE}".')
    reason = _CONNECTION if lower.startswith("proxy-") else _UNTOUCHABLE.get(lower)
    if message is Message.PROBE and lower == "host":
        reason = "say it with health_host instead"
    if reason:
        raise ValueError(f"{name} cannot be changed by a rule: {reason}.")
    if message is Message.PROBE:
        return  # no client whom somebody could mistake it for
    if lower in _WRITTEN_BY_EDGE and message is Message.REQUEST:
        raise ValueError(
            f"{name} cannot be changed by a rule: the edge writes it itself, so that backends "
            f"can believe it{_instead(lower, message)}."
        )
    ours = lower in _WRITTEN_BY_EDGE or lower.startswith("x-forwarded-")
    if ours and action is not HeaderAction.REMOVE:
        raise ValueError(
            f"{name} cannot be set by a rule: proxies tell with it what they have seen"
            f"{_instead(lower, message) or '. Choose another name'}."
        )


def _instead(lower: str, message: Message) -> str:
    switch = _SWITCHES.get((message, lower))
    return f"; the pool's {switch} switches it on and off" if switch else ""
