"""Who may ask the edge for an explanation: a signature with an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.debug import DebugKey
from proxy.core.secret import derive_key

KEY = DebugKey("a secret")


def test_what_was_signed_holds_until_its_end():
    assert KEY.expiry(KEY.sign(1_800_000_000).encode()) == 1_800_000_000


def test_another_installations_signature_is_none():
    assert KEY.expiry(DebugKey("another secret").sign(1_800_000_000).encode()) == 0


def test_a_later_end_needs_a_signature_of_its_own():
    _, signature = KEY.sign(1_800_000_000).split(".")
    assert KEY.expiry(f"1900000000.{signature}".encode()) == 0


@pytest.mark.parametrize("zeros", ["0", "00"])
def test_the_same_number_written_otherwise_is_at_most_the_same(zeros):
    assert KEY.expiry(f"{zeros}{KEY.sign(1_800_000_000)}".encode()) in (0, 1_800_000_000)


@given(st.binary(max_size=80))
def test_nothing_else_is_believed(value):
    assert KEY.expiry(value) == 0


@given(st.integers(0, 42), st.integers(1, 255))
def test_a_changed_signature_is_none(place, difference):
    value = bytearray(KEY.sign(1_800_000_000).encode())
    value[len("1800000000.") + place] ^= difference
    # The last character has two bits to spare that decode to nothing: they count here.
    assert KEY.expiry(bytes(value)) == 0


def test_the_key_is_not_shown():
    assert "secret" not in repr(KEY)
    assert not hasattr(KEY, "__dict__")


def test_each_purpose_has_a_key_of_its_own():
    assert derive_key("s", "a") != derive_key("s", "b")
    assert derive_key("s", "a") != derive_key("t", "a")
    assert len(derive_key("s", "a")) == 32


def test_there_is_no_key_without_a_secret():
    with pytest.raises(ValueError, match="no secret"):
        derive_key("", "a")
