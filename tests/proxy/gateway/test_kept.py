"""What the view keeps of backends and policies that are changed again and again."""

from proxy.gateway.kept import UNUSED, Kept


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Stage:
    def __init__(self) -> None:
        self.now = 1000.0
        self.kept = Kept(Thing, lambda: self.now)


def test_who_asks_again_gets_the_same() -> None:
    stage = Stage()
    one = stage.kept.get("a")
    stage.now += 10 * UNUSED
    assert stage.kept.get("a") is one
    assert not one.closed


def test_what_nobody_has_asked_for_in_a_while_is_closed_when_others_come() -> None:
    stage = Stage()
    old, used = stage.kept.get("old"), stage.kept.get("used")
    stage.now += UNUSED
    stage.kept.get("used")
    stage.now += 1
    stage.kept.get("new")
    assert (old.closed, used.closed) == (True, False)
    assert stage.kept.get("old") is not old


def test_it_does_not_grow_with_all_that_there_ever_was() -> None:
    stage = Stage()
    made = []
    for number in range(int(10 * UNUSED)):
        made.append(stage.kept.get(str(number)))
        stage.now += 1
    assert sum(not thing.closed for thing in made) <= UNUSED + 2


def test_all_is_closed_with_it() -> None:
    stage = Stage()
    things = [stage.kept.get(name) for name in "abc"]
    stage.kept.close()
    assert all(thing.closed for thing in things)
