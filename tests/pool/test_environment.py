"""What stands in the environment is taken or refused, with what may stand there."""

import pytest
from environs import EnvError

from pool import environment

NAME = "LB_SOMETHING"
READERS = {
    "a whole number from 1": lambda: environment.whole(NAME, 7, 1),
    "a number of seconds above 0": lambda: environment.seconds(NAME, 1.5),
    "a number from 0 to 1000": lambda: environment.between(NAME, 20, 0, 1000),
    "true or false": lambda: environment.switch(NAME, default=True),
}
BAD = {
    "a whole number from 1": ["many", "0", "-3", "1.5", "1e3", "nan"],
    "a number of seconds above 0": ["soon", "0", "-1", "nan", "inf", "1e400", "5s"],
    "a number from 0 to 1000": ["-0.1", "1000.1", "nan", "x"],
    "true or false": ["perhaps", "2"],
}


@pytest.mark.parametrize(
    ("allowed", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_what_is_refused_is_told_with_what_is_allowed(monkeypatch, allowed, text):
    monkeypatch.setenv(NAME, text)
    with pytest.raises(EnvError) as caught:
        READERS[allowed]()
    assert str(caught.value) == f"{NAME}: give {allowed}, not {text}"


@pytest.mark.parametrize(
    ("allowed", "text", "value"),
    [
        ("a whole number from 1", "1", 1),
        ("a number of seconds above 0", "0.25", 0.25),
        ("a number from 0 to 1000", "1000", 1000),
        ("a number from 0 to 1000", "0", 0),
        ("true or false", "no", False),
    ],
)
def test_what_is_allowed_is_taken(monkeypatch, allowed, text, value):
    monkeypatch.setenv(NAME, text)
    assert READERS[allowed]() == value


@pytest.mark.parametrize("allowed", READERS)
def test_an_empty_variable_is_none(monkeypatch, allowed):
    monkeypatch.delenv(NAME, raising=False)
    default = READERS[allowed]()
    monkeypatch.setenv(NAME, " ")
    assert READERS[allowed]() == default


@pytest.mark.parametrize(
    ("text", "value"),
    [("a, b", ["a", "b"]), (" a ,, ", ["a"]), ("", ["x"]), (" ", ["x"]), (",", ["x"])],
)
def test_texts_stand_between_commas(monkeypatch, text, value):
    monkeypatch.setenv(NAME, text)
    assert environment.texts(NAME, ["x"]) == value
