"""The documentation's playground runs the webhook's code in the browser, and makes the same decisions."""

import json
from urllib.parse import urljoin

from golden import Case, all_cases
from page import Page
from selenium.webdriver.common.by import By

from dind_webhook.playground import answer_question


def test_it_decides_without_a_server(static_page: Page) -> None:
    static_page.click("Deployment")
    static_page.wait_for(lambda: static_page.pods() == ["injected deployment/runner"])
    static_page.save_screenshot("static")
    assert static_page.violations() == []


def test_the_documentation_leads_to_it(static_page: Page) -> None:
    static_page.browser.get(urljoin(static_page.address, "/playground.html"))
    static_page.browser.find_element(By.LINK_TEXT, "Open the playground").click()
    static_page.wait_for(lambda: static_page.pods() == ["injected pod/build"])


def test_it_brings_a_policy_of_its_own(static_page: Page) -> None:
    policy = static_page.run("return document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert "unsafe-inline" not in policy


def test_it_says_what_is_wrong_with_settings(static_page: Page) -> None:
    static_page.paste_into("settings", "injection:\n  modes: [swarm]\n")
    sentence = "injection.modes.0: must be one of 'sidecar' or 'daemonset' (operator settings)"
    static_page.wait_for(lambda: static_page.texts("#settings-problem") == [sentence])


def test_it_answers_every_golden_case_as_the_webhook_does(static_page: Page) -> None:
    cases = all_cases()
    assert len(cases) > 100
    different = [case.name for case in cases if static_page.evaluate(_question(case)) != _expected(case)]
    assert different == []


def _question(case: Case) -> dict[str, str]:
    return {
        "manifest": case.manifest.read_text("utf-8"),
        "namespace": case.namespace_label,
        "settings": case.settings.read_text("utf-8") if case.settings else "",
    }


def _expected(case: Case) -> object:
    return json.loads(answer_question(json.dumps(_question(case)), {}).model_dump_json())
