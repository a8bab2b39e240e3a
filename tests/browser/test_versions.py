"""The website with the documentation of several versions, as `make docs-version` commits it."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).parents[2]
BEFORE = "0.0"


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Log nothing."""


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Serve the website with two versions; yield its address and the versions, the newest first."""
    clone = tmp_path_factory.mktemp("versions") / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{ROOT}", clone], check=True)
    made = ROOT / "build/playground"
    (clone / "build").mkdir()
    (clone / "build/playground").symlink_to(made)
    environment = {**os.environ, "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.invalid"}
    package = clone / "dind_webhook/__init__.py"
    text = package.read_text()
    newest = re.search(r'__version__ = "(\d+\.\d+)', text)
    assert newest
    # The tools of `make docs`, and the playground that it made
    command = ["make", "docs-version", f"DOCS_VENV={ROOT / '.venv-docs'}"]
    command += [f"--old-file={ROOT / '.venv-docs/.installed'}", "--old-file=build/playground/core.zip"]
    for version in (f"{BEFORE}.1", f"{newest[1]}.0", f"{newest[1]}.1"):
        package.write_text(re.sub(r'(?<=__version__ = ")[^"]+', version, text))
        subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True)
    pages = clone.parent / "pages"
    subprocess.run(["git", "worktree", "add", "--quiet", pages, "gh-pages"], cwd=clone, check=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(pages))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", [newest[1], BEFORE]
        server.shutdown()


def test_the_first_page_is_that_of_the_newest_version(
    versions: tuple[str, list[str]], browser: webdriver.Chrome
) -> None:
    address, (newest, _) = versions
    browser.get(address)
    WebDriverWait(browser, 30).until(lambda driver: driver.current_url == f"{address}{newest}/index.html")


def test_a_switch_leads_to_each_version(versions: tuple[str, list[str]], browser: webdriver.Chrome) -> None:
    address, names = versions
    browser.get(f"{address}{names[0]}/security.html")
    WebDriverWait(browser, 30).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, ".md-version__link"))
    links = {
        link.get_attribute("textContent").strip(): link.get_attribute("href")
        for link in browser.find_elements(By.CSS_SELECTOR, ".md-version__link")
    }
    assert links == {name: f"{address}{name}/" for name in names}
    browser.get(links[BEFORE])
    assert "dind-webhook" in browser.title
