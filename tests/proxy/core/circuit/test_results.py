"""Rows of failures, counted as they come, are those that a look at the whole finds."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.circuit.results import Results


def rows_of(calls: list[bool]) -> list[tuple[bool, int]]:
    """Failures (True) and successes, each as a row with its length."""
    return [(failed, len(list(row))) for failed, row in groupby(calls)]


@given(st.lists(st.booleans()))
def test_rows(calls: list[bool]) -> None:
    results = Results()
    for failed in calls:
        if failed:
            results.failure()
        else:
            results.success()
    report = results.report(3, window={})
    rows = rows_of(calls)
    assert report.leading == (rows[0][1] if rows and rows[0][0] else 0)
    assert report.trailing == (rows[-1][1] if rows and rows[-1][0] else 0)
    assert report.longest == max((length for failed, length in rows if failed), default=0)
    assert (report.failures, report.successes) == (sum(calls), len(calls) - sum(calls))
