"""Histograms that add up at once, in memory and in the database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.histograms import counts_of, lanes_of, lanes_of_all, pack, unpack
from proxy.core.histogram import BUCKETS, merge

counts = st.integers(1, 2**48) | st.sampled_from([1, 255, 256, 2**16 - 1, 2**16, 2**24, 2**32])
histograms = st.dictionaries(st.integers(0, BUCKETS - 1), counts)


@given(histograms)
def test_it_is_what_it_was_made_of(histogram):
    assert counts_of(lanes_of(histogram)) == histogram


small = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 100))


@given(st.lists(histograms, max_size=6) | st.lists(small, max_size=6))
def test_sums_are_those_of_each_bucket(several):
    assert counts_of(sum(map(lanes_of, several))) == merge(several)
    assert counts_of(lanes_of_all(several)) == merge(several)


@given(histograms)
def test_it_survives_the_database(histogram):
    lanes = lanes_of(histogram)
    assert unpack(pack(lanes)) == lanes
    assert unpack(memoryview(pack(lanes))) == lanes


@given(st.lists(histograms, max_size=6))
def test_what_is_stored_of_several_adds_up_to_their_sum(several):
    stored = b"".join(pack(lanes_of(one)) for one in several)
    assert counts_of(unpack(stored)) == merge(several)


def test_an_empty_one_is_nothing():
    assert lanes_of({}) == unpack(b"") == unpack(memoryview(b"")) == 0
    assert pack(0) == b""
    assert counts_of(0) == {}


@pytest.mark.parametrize(
    ("histogram", "packed"),
    [
        ({0: 1}, "0000 0110 01"),
        ({431: 255}, "af01 0110 ff"),
        ({300: 1, 302: 2}, "2c01 0310 010002"),
        ({5: 256, 6: 1}, "0500 0220 0001 0100"),
        ({7: 2**32}, "0700 0150 00 00 00 00 01"),
    ],
)
def test_what_is_stored_stays_readable(histogram, packed):
    assert pack(lanes_of(histogram)) == bytes.fromhex(packed)
    assert counts_of(unpack(bytes.fromhex(packed))) == histogram
