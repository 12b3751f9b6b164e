"""What is asked of every system."""

from dataclasses import dataclass, field

from tests.bench.backend import SMALL
from tests.bench.probe import LARGE, SINK, SINK_SIZE

# What a current Chromium sends for a sub-resource, Host not counted.
BROWSER_HEADERS = {
    "User-Agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36"
    ),
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://shop.example.com/catalogue/shoes?page=3",
    "Cookie": "session=4f7c1a9be2d84c0f9a6b; theme=dark; consent=necessary",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Cache-Control": "max-age=0",
}


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    path: str = SMALL
    headers: dict[str, str] = field(default_factory=dict)
    body_size: int = 0  # of a POST; 0: GET
    workers: int = 1
    paths: int = 0  # different ones, in turn; 0: all requests are the same
    paced: bool = False  # at half of the system's own highest rate


ALL = (
    Scenario("small", "Small responses, bare head"),
    Scenario("headers", "Small responses, ten browser headers", headers=BROWSER_HEADERS),
    Scenario(
        "paths",
        "Ten browser headers, another path each time",
        headers=BROWSER_HEADERS,
        paths=10_000,
    ),
    Scenario("large", "100 KiB responses", path=LARGE),
    Scenario("post", "10 KiB posts", path=SINK, body_size=SINK_SIZE),
    Scenario("close", "No keep-alive from the client", headers={"Connection": "close"}),
    Scenario("workers", "Small responses, two workers", workers=2),
    Scenario("half", "Small responses at half load", paced=True),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}
