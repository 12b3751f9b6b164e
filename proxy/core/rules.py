"""Header rules of an operator, applied to the end-to-end fields of a message."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from pool.choices import HeaderAction
from pool.snapshot import HeaderRule
from proxy.core.head.message import Headers


class HeaderRules:
    """Rules made ready: names in lower case to compare, bytes to send."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[HeaderRule]) -> None:
        self._rules = [
            (rule.action, rule.name.lower().encode("ascii"), _field(rule)) for rule in rules
        ]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def apply(self, headers: Headers) -> Headers:
        """`headers` after each rule in turn; the list that was given is not changed."""
        for action, name, field in self._rules:
            if action is not HeaderAction.ADD:
                headers = [header for header in headers if header[0].lower() != name]
            if action is not HeaderAction.REMOVE:
                headers = [*headers, field]
        return headers


@lru_cache(maxsize=1024)
def made_ready(rules: tuple[HeaderRule, ...]) -> HeaderRules:
    """The same object for the same rules: what one route has rendered by them serves others."""
    return HeaderRules(rules)


class Then(HeaderRules):
    """An operator's rules, and a change that they cannot undo."""

    __slots__ = ("_before", "_change")

    def __init__(self, before: HeaderRules, change: Callable[[Headers], Headers]) -> None:
        super().__init__(())
        self._before = before
        self._change = change

    def __bool__(self) -> bool:
        return True

    def apply(self, headers: Headers) -> Headers:
        return self._change(self._before.apply(headers))


def _field(rule: HeaderRule) -> tuple[bytes, bytes]:
    return rule.name.encode("ascii"), rule.value.encode("latin-1")
