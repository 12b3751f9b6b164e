"""What a person does in the admin, for tests to read like it."""

from collections.abc import Callable

from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

ANOTHER_PAGE_IS_COMPLETE = "return !window.wasClicked && document.readyState == 'complete'"


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

    def tab(self, title: str) -> WebElement:
        return self.driver.find_element(By.XPATH, f"//nav/a[normalize-space()='{title}']")

    def shows(self, name: str) -> bool:
        return self.driver.find_element(By.NAME, name).is_displayed()

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
        self.driver.execute_script("window.wasClicked = true")
        self.click(element)
        self.wait(lambda: self.driver.execute_script(ANOTHER_PAGE_IS_COMPLETE))

    def save(self, button: str = "_save") -> None:
        self.click_through(self.driver.find_element(By.NAME, button))

    def wait(self, condition: Callable[[], object]) -> None:
        # A page that keeps itself up to date may replace what was just found in it.
        ignored = [StaleElementReferenceException]
        waiting = WebDriverWait(self.driver, 30, poll_frequency=0.05, ignored_exceptions=ignored)
        waiting.until(lambda _: self._holds(condition))

    @staticmethod
    def _holds(condition: Callable[[], object]) -> object:
        try:
            return condition()
        except WebDriverException as error:
            # chromedriver's words for a page that goes away while it is being looked at.
            if "inspector error" in str(error) or "detached" in str(error):
                return False
            raise

    @property
    def text(self) -> str:
        return self.find("body").text
