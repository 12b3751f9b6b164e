"""One number with what it means: the cards on top of a page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    value: str
    note: str = ""
    href: str = ""
