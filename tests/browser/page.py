"""Use the playground in a browser: send keys and clicks, and read the visible text and the accessibility tree."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

_BUILD = Path(__file__).parents[2] / "build"
_AXE = _BUILD / "axe/node_modules/axe-core/axe.min.js"
# Long enough for a busy machine on which Python starts in the browser
_SECONDS = 180
# The focused element: its id, or its text
_FOCUS = "const e = document.activeElement; return e === document.body ? '' : e.id || e.textContent.trim();"

# One script reads all pods: between two scripts the page may show another decision.
_PODS = """return [...document.querySelectorAll(".verdict")].map(
    (verdict) => `${verdict.querySelector(".badge").innerText} ${verdict.querySelector("h3").innerText}`)"""


class Page:
    """The playground in a browser."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        self.address = address

    def open(self, width: int = 1280, scheme: str = "light") -> None:
        """Open the page in a window of this width, in pixels, and wait for its first decision."""
        self.resize(width)
        self.emulate("prefers-color-scheme", scheme)
        self.browser.get(self.address)
        self.wait_for(lambda: self.pods() == ["injected pod/build"])

    def resize(self, width: int) -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def emulate(self, feature: str, value: str) -> None:
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": feature, "value": value}]})

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until the function returns True."""
        end = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < end, f"after {_SECONDS} s: {self.status()}, {self.pods()}"
            time.sleep(0.05)

    # Input

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def tab_to(self, name: str) -> None:
        """Press Tab until the element with this id or text has the focus."""
        for _ in range(200):
            if self.focus() == name:
                return
            self.press(Keys.TAB)
        raise AssertionError(f"the Tab key does not lead to {name}")

    def paste(self, text: str) -> None:
        """Replace the text of the focused field, as Ctrl-A and Ctrl-V do."""
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})

    def paste_into(self, field: str, text: str) -> None:
        """Replace the text of a field. Open the <details> element around the field first."""
        self.run("document.getElementById(arguments[0]).closest('details')?.setAttribute('open', '')", field)
        self.find(f"#{field}").click()
        self.paste(text)

    def click(self, words: str) -> None:
        self.browser.find_element(By.XPATH, f"//button[normalize-space()='{words}']").click()

    # Content of the page

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the visible texts of all elements that match."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())", selector
        )
        return found

    def focus(self) -> str:
        focus: str = self.run(_FOCUS)
        return focus

    def status(self) -> str:
        return self.find("#status").text

    def pods(self) -> list[str]:
        """Return the outcome and the name of each pod in the shown decision."""
        found: list[str] = self.run(_PODS)
        return found

    def evaluate(self, question: dict[str, Any]) -> Any:
        """Return the response of the page's core.js to a question."""
        script = """
            const [question, done] = arguments;
            import("./core.js").then((core) => core.evaluate(question)).then(done, (error) => done(error.message));
        """
        return self.browser.execute_async_script(script, question)

    def violations(self) -> list[str]:
        """Return the violations of WCAG 2.2, level AA, and of the best practices of axe."""
        self.run(_AXE.read_text("utf-8"))
        found = self.browser.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        return [
            f"{violation['id']}: {node['html'][:120]}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def save_screenshot(self, name: str) -> None:
        """Save a screenshot of the whole page in build/screenshots, for review by people."""
        folder = _BUILD / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (folder / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def check_console_and_requests(self) -> None:
        """Check that the console has no errors, and that the page sent requests to its own origin only."""
        complaints = [entry["message"] for entry in self.browser.get_log("browser") if "422" not in entry["message"]]
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        requested = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        others = [url for url in requested if not url.startswith((urljoin(self.address, "/"), "data:", "blob:"))]
        assert (complaints, others) == ([], []), f"complaints: {complaints}, requests: {others}"
