"""The whole product, with a browser at one end and a client at the other."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.pages import AdminPages
from tests.integration.product import Product


@pytest.fixture
def product(driver: WebDriver) -> Iterator[Product]:
    with tempfile.TemporaryDirectory(prefix="lb-") as folder:
        product = Product(Path(folder))
        try:
            yield product.start("--demo").wait_until_running()
        finally:
            product.destroy()


def printed(product: Product, what: str) -> str:
    line = next(line for line in product.lines if line.startswith(f"  {what} "))
    return line.split()[1]


def turn(product: Product) -> str:
    """Which backends answer seven requests in a row."""
    return "".join(product.get()[1].strip().removeprefix("demo-") for _ in range(7))


def test_weights_typed_into_the_admin_shape_the_traffic_at_once(
    driver: WebDriver, product: Product
) -> None:
    pages = AdminPages(driver, f"http://127.0.0.1:{product.admin_port}")
    pages.open("")
    pages.fill("username", printed(product, "user"))
    pages.fill("password", printed(product, "password"))
    pages.click_through(pages.find("button[type=submit]"))
    pages.open("pool/pool/")
    pages.click_through(pages.link("demo"))
    for row, weight in enumerate(("5", "1", "1")):
        pages.fill(f"backends-{row}-weight", weight)
    pages.save()
    rotations = {("aabacaa" * 2)[start : start + 7] for start in range(7)}
    product.wait_until(lambda: turn(product) in rotations, "a turn of the new weights")
    assert turn(product) in rotations
