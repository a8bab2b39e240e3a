"""A headless Chromium, and the two servers of the playground: the program, and the built documentation."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from page import Page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[2]
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--force-device-scale-factor=1",
)


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """Return the address of a running `dind-webhook playground`."""
    command = [Path(sys.executable).with_name("dind-webhook"), "playground", "--no-browser", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
        process.terminate()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Return the address of a static file server with the output of `make docs`."""
    handler = partial(_SilentHandler, directory=str(ROOT / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Log nothing."""


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Return a headless Chromium from Debian's packages."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(300)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, served: str) -> Iterator[Page]:
    """Open the program's playground. After the test, check the browser's console and requests."""
    page = Page(browser, served)
    page.open()
    yield page
    page.check_console_and_requests()


@pytest.fixture
def static_page(browser: webdriver.Chrome, site: str) -> Iterator[Page]:
    """Open the documentation's playground. After the test, check the browser's console and requests."""
    page = Page(browser, f"{site}playground/index.html")
    page.open()
    yield page
    page.check_console_and_requests()
