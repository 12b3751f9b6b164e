"""A list of the admin on a phone, where each cell says the column that it is of."""

import pytest

from pool.models import Backend, Pool, Route
from tests.browser.pages import AdminPages

HEADS = """
return [...document.querySelectorAll('#result_list thead th')].map(head => head.innerText.trim())
"""
LABELS = """
return [...document.querySelectorAll('#result_list tbody [data-label]')].map(cell => {
  const { content, textTransform } = getComputedStyle(cell, '::before');
  return [content, textTransform];
})
"""


@pytest.fixture
def shop(transactional_db: None) -> None:
    pool = Pool.objects.create(name="shop")
    Backend.objects.create(pool=pool, name="a", url="http://a:80")
    Route.objects.create(pool=pool)


@pytest.mark.parametrize("model", ["pool", "backend", "route", "revision"])
def test_its_labels_are_those_of_the_head_of_the_table(pages: AdminPages, shop, model) -> None:
    pages.open(f"pool/{model}/")
    heads = [head for head in pages.driver.execute_script(HEADS) if head]
    pages.driver.set_window_size(500, 900)
    try:
        labels = pages.driver.execute_script(LABELS)
    finally:
        pages.driver.set_window_size(1400, 1000)
    assert {how for _, how in labels} == {"none"}
    shown = {label.strip('"') for label, _ in labels}
    assert heads
    assert shown >= {head.splitlines()[0] for head in heads}
