"""A headless Chromium that operates the admin as a person would."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

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


class AdminPages:
    """What a person does in the admin, in a person's words."""

    def __init__(self, driver: WebDriver, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str) -> None:
        self.driver.get(f"{self.url}/admin/{path}")

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def link(self, text: str) -> WebElement:
        """By part of its text: an icon's name is text too."""
        return self.driver.find_element(By.PARTIAL_LINK_TEXT, text)

    def fill(self, name: str, value: str) -> None:
        field = self.driver.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)

    def choose(self, name: str, text: str) -> None:
        Select(self.driver.find_element(By.NAME, name)).select_by_visible_text(text)

    def click(self, element: WebElement) -> None:
        """Clicks what stays on the page; in view first, because a bar covers its lower end."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def click_through(self, element: WebElement) -> None:
        """Clicks what leads to another page, and waits until that one is complete."""
        old = self.find("html")
        self.click(element)
        self.wait(lambda: self._is_gone(old))
        self.wait(lambda: self.driver.execute_script("return document.readyState") == "complete")

    def save(self, button: str = "_save") -> None:
        self.click_through(self.driver.find_element(By.NAME, button))

    def wait(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, 10, poll_frequency=0.05).until(lambda _: condition())

    @property
    def text(self) -> str:
        return self.find("body").text

    @staticmethod
    def _is_gone(element: WebElement) -> bool:
        try:
            element.is_enabled()
        except Exception as error:  # chromedriver names a stale element in several ways
            if "stale" in str(error).lower() or "detached" in str(error).lower():
                return True
            raise
        return False


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
