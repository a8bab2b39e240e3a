"""A real Chromium, and the two places that have the page: the program, and the files of the documentation."""

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
    """Return the address of what `make docs` builds, on a server that does nothing but serve files."""
    handler = partial(_SilentHandler, directory=str(ROOT / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Leave the terminal to pytest."""


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Return a headless Chromium, as Debian has it."""
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
    """Return the page of the program, fresh; a test ends with nothing complained of and nobody else asked."""
    page = Page(browser, served)
    page.open()
    yield page
    page.check_console_and_requests()


@pytest.fixture
def static_page(browser: webdriver.Chrome, site: str) -> Iterator[Page]:
    """Return the page of the documentation, fresh, under the same condition."""
    page = Page(browser, f"{site}playground/index.html")
    page.open()
    yield page
    page.check_console_and_requests()
