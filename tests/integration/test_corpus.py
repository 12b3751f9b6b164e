"""The raw corpus, tests/corpus, against the real edge. `raw/case.py` describes the format."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.raw.case import Case, load
from tests.integration.raw.judge import Judge, judging_an_edge

CORPUS = Path(__file__).parent.parent / "corpus"
CASES = load(CORPUS)


@pytest.fixture(scope="module")
def judge(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judging_an_edge(redis_url, tmp_path_factory.mktemp("edge")) as judge:
        yield judge


def test_the_corpus_is_there() -> None:
    assert len(CASES) >= 500


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_holds(judge: Judge, case: Case) -> None:
    assert judge.run(case) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.splittable], ids=lambda case: case.name
)
def test_case_holds_byte_by_byte(judge: Judge, case: Case) -> None:
    """The verdict must not depend on how the network cuts the bytes."""
    assert judge.run(case, bytewise=True) == []
