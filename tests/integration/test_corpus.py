"""The raw corpus, tests/corpus, against the real edge. `raw/case.py` describes the format."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.raw.backend import ScriptedBackend
from tests.integration.raw.case import Case, load
from tests.integration.raw.edge import corpus_snapshot, refusing_port, running_edge
from tests.integration.raw.judge import Judge

CORPUS = Path(__file__).parent.parent / "corpus"
CASES = load(CORPUS)


@pytest.fixture(scope="module")
def judge(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    backend = ScriptedBackend()
    data_dir = tmp_path_factory.mktemp("edge")
    with refusing_port() as dead_port:
        published = corpus_snapshot(backend.port, dead_port)
        with running_edge(redis_url, published, data_dir) as address:
            yield Judge(address, backend)
    backend.close()


def test_the_corpus_is_there() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_holds(judge: Judge, case: Case) -> None:
    assert judge.run(case) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.splittable], ids=lambda case: case.name
)
def test_case_holds_byte_by_byte(judge: Judge, case: Case) -> None:
    """The verdict must not depend on how the network cuts the bytes."""
    assert judge.run(case, bytewise=True) == []
