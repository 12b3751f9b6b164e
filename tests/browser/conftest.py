"""A headless Chromium that operates the admin as a person would."""

import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.pages import AdminPages

PASSWORD = "correct horse battery staple"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("needs chromium and chromedriver on the PATH (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def operator(transactional_db: None) -> User:
    return User.objects.create_superuser("olga", password=PASSWORD)


@pytest.fixture
def guest_pages(driver: WebDriver, live_server) -> AdminPages:
    """The admin, opened by somebody who has not logged in."""
    driver.get(f"{live_server.url}/admin/login/")
    driver.delete_all_cookies()
    return AdminPages(driver, live_server.url)


@pytest.fixture
def pages(guest_pages: AdminPages, operator: User, redis_client) -> AdminPages:
    """The admin, opened by an operator with all rights."""
    client = Client()
    client.force_login(operator)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    guest_pages.driver.add_cookie(
        {"name": settings.SESSION_COOKIE_NAME, "value": session, "path": "/"}
    )
    return guest_pages
