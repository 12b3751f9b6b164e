"""Who is changing the configuration, wherever in the call stack it is asked.

Set once at the edge of the program (a request, a command) rather than passed
through every save, so that no way of saving can forget it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from django.http import HttpRequest, HttpResponse


class _User(Protocol):
    def get_username(self) -> str: ...


Actor = _User | str | None

_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor", default=lambda: None)


def username(actor: Actor) -> str:
    """The name to write down; "" for nobody in particular."""
    if actor is None or isinstance(actor, str):
        return actor or ""
    return actor.get_username()


def current_actor() -> str:
    return username(_actor.get()())


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """What is saved in this block is saved by `actor`; None keeps the surrounding actor."""
    if actor is None:
        yield
        return
    token = _actor.set(lambda: actor)
    try:
        yield
    finally:
        _actor.reset(token)


class ActorMiddleware:
    """Makes the request's user the actor.

    Asked for late: REST authenticates by token only once its view has been
    entered, and then puts the user on the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _actor.set(lambda: getattr(request, "user", None))
        try:
            return self.get_response(request)
        finally:
            _actor.reset(token)
