"""The playground of the program: its content, its use by keyboard, and its accessibility."""

import pytest
from page import Page
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from dind_webhook.injection import RULES, Reason

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: ci # mine
  annotations:
    dind.io/inject: sidecar
spec:
  containers:
    - name: test
      image: docker:cli
"""
CRON_JOB = """\
{"kind": "CronJob", "metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": {"template": {
 "metadata": {"annotations": {"dind.io/inject": "daemonset"}}, "spec": {"containers": [{"name": "a"}]}}}}}}
"""
WIDTHS = (320, 375, 699, 700, 1079, 1080, 1920)


@pytest.mark.parametrize(
    ("manifest", "pods", "reason"),
    [
        (POD, ["injected pod/ci"], "sidecar mode"),
        (CRON_JOB, ["injected cronjob/nightly"], "daemonset mode"),
        (POD.replace("sidecar", "sidcar"), ["denied pod/ci"], "unknown-value"),
        (POD.replace("sidecar", "disabled"), ["untouched pod/ci"], "opted-out"),
    ],
    ids=["yaml", "json", "denied", "untouched"],
)
def test_a_pasted_pod_gets_its_decision(manifest: str, pods: list[str], reason: str, page: Page) -> None:
    page.paste_into("manifest", manifest)
    page.wait_for(lambda: page.pods() == pods)
    assert page.texts(".reason") == [reason]
    assert page.find(".changes").is_displayed() is pods[0].startswith("injected")


def test_a_denial_says_what_to_do_and_which_rule_stopped_it(page: Page) -> None:
    page.paste_into("manifest", POD.replace("sidecar", "sidcar"))
    page.wait_for(lambda: page.pods() == ["denied pod/ci"])
    (message,) = page.texts(".message")
    assert message.startswith('annotation dind.io/inject: "sidcar" is not accepted (did you mean "sidecar"?)')
    page.find(".rules summary").click()
    assert page.texts(".rules .stopped") == ["✗\ndind.io/inject has an accepted value\n: stopped"]
    stop = next(index for index, rule in enumerate(RULES) if Reason.UNKNOWN_VALUE in rule.reasons)
    assert page.texts(".rules .not-checked-here") == ["?\nThe webhook configuration selects the pod: not checked here"]
    assert len(page.texts(".rules .passed")) == stop - 1


def test_every_pod_of_a_file_is_decided_on(page: Page) -> None:
    page.paste_into("manifest", f"{POD}---\n{POD.replace('ci #', 'cd #').replace('sidecar', 'nothing')}")
    page.wait_for(lambda: page.pods() == ["injected pod/ci", "denied pod/cd"])
    assert page.status() == "pod/ci: injected, sidecar mode, 9 additions. pod/cd: denied, unknown-value"


def test_warnings_are_shown(page: Page) -> None:
    page.paste_into("manifest", POD.replace("sidecar\n", "sidecar\n    dind.io/wait: 'true'\n"))
    page.wait_for(lambda: page.texts(".warnings li") == ["Warning: without effect in sidecar mode: dind.io/wait"])
    assert page.status().endswith("1 warning")


def test_the_diagram_shows_what_was_added_and_who_mounts_it(page: Page) -> None:
    assert page.texts(".containers .name") == ["dind added", "build"]
    assert page.texts(".volumes .name") == ["work", "dind-run added", "dind-storage added"]
    mounts = "[data-container=build] .mount"
    assert page.texts(f"{mounts} .what") == ["/work", "/run/dind", "/var/run/docker.sock"]
    assert page.texts(f"{mounts}.added .what") == ["/run/dind", "/var/run/docker.sock"]
    # One line for each mount, from the mount's row to the volume's box
    assert page.run("return document.querySelectorAll('.connection').length") == len(page.texts(".mount"))
    ends = page.run("""
        const connection = document.querySelector(".connection[data-container=build][data-volume=work]");
        const end = connection.getPointAtLength(connection.getTotalLength()).matrixTransform(connection.getScreenCTM());
        const box = document.querySelector("[data-volume-box=work]").getBoundingClientRect();
        return [end.x - box.left, end.y - (box.top + box.height / 2)];
    """)
    assert ends == pytest.approx([0, 0], abs=1)


def test_the_node_is_drawn_apart_from_the_pod(page: Page) -> None:
    page.click("Deployment")
    page.wait_for(lambda: page.pods() == ["injected deployment/runner"])
    assert page.texts(".outside .name") == ["dind-run added"]
    assert page.texts(".inside") == []


def test_changes_stand_side_by_side_and_what_is_the_same_is_folded(page: Page) -> None:
    page.paste_into("manifest", POD)
    page.wait_for(lambda: page.pods() == ["injected pod/ci"])
    assert "test" in page.texts(".diff .same .line.before")[-2]
    assert set(page.texts(".diff .added .before")) == {""}
    assert any("DOCKER_HOST" in line for line in page.texts(".diff .added .line.after"))
    page.click("All lines")
    assert len(page.texts(".diff .line.before:not(.none)")) == len(POD.splitlines())


def test_a_fold_opens_and_leaves_the_focus_there(page: Page) -> None:
    button = page.find(".fold-row button")
    hidden = int(button.text.split()[1])
    before = len(page.texts(".diff .same"))
    button.send_keys(Keys.ENTER)
    assert len(page.texts(".diff .same")) == before + hidden
    assert page.run("return document.activeElement.matches('.diff tr.same')")


def test_the_patch_is_that_of_the_object(page: Page) -> None:
    page.click("CronJob")
    page.wait_for(lambda: page.pods() == ["injected cronjob/nightly"])
    paths = page.run(
        "return JSON.parse(document.querySelector('.patch pre').textContent).map(o => o.op + ' ' + o.path)"
    )
    assert paths
    assert all(path.startswith("add /spec/jobTemplate/spec/template/") for path in paths)


def test_options_become_annotations(page: Page) -> None:
    page.paste_into("manifest", POD)
    page.paste_into("option-memory-limit", "9Gi")
    page.wait_for(lambda: any("memory: 9Gi" in line for line in page.texts(".diff .added .line.after")))
    page.browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.click("Copy with annotations")
    page.wait_for(lambda: "Copied" in page.texts(".changes button"))
    copied = page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == POD.replace("sidecar\n", "sidecar\n    dind.io/memory-limit: 9Gi\n")


def test_an_option_that_the_operator_closed_is_marked_and_denied(page: Page) -> None:
    page.paste_into("manifest", POD)
    page.paste_into("option-image", "docker:30-dind")
    assert page.texts("[data-option='dind.io/image'] .permission:not([hidden])") == ["not allowed by the operator"]
    page.wait_for(lambda: page.texts(".reason") == ["option-not-allowed"])
    page.paste_into("settings", "injection:\n  allowed_options: [image]\n  allowed_images: ['docker:*']\n")
    page.wait_for(lambda: page.pods() == ["injected pod/ci"])
    assert page.texts("[data-option='dind.io/image'] .permission:not([hidden])") == []
    assert page.texts("[data-option='dind.io/mtu'] .permission:not([hidden])") == ["not allowed by the operator"]


def test_defaults_of_the_operator_stand_in_the_fields(page: Page) -> None:
    page.paste_into("settings", "injection: {defaults: {mtu: 1400}}")
    page.wait_for(lambda: page.find("#option-mtu").get_attribute("placeholder") == "1400")


@pytest.mark.parametrize(
    ("part", "text", "says", "line"),
    [
        ("manifest", "kind: Pod\nspec: [\n", "manifest: line 3, column 1: not YAML", 3),
        ("settings", "injection:\n  modes: {\n", "operator settings: is not YAML: line 3, column 1", 3),
        ("settings", "injection:\n  modes: [swarm]\n", "injection.modes.0: must be one of 'sidecar' or 'daemonset'", 0),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(part: str, text: str, says: str, line: int, page: Page) -> None:
    page.paste_into(part, text)
    page.wait_for(lambda: says in page.find(f"#{part}-problem").text)
    assert page.find(f"#{part}").get_attribute("aria-invalid") == "true"
    assert says in page.status()
    assert page.pods() == []
    if line:
        page.click(f"Go to line {line}")
        assert page.focus() == part
        start = page.run("return document.activeElement.selectionStart")
        assert text[:start].count("\n") == line - 1
    page.paste_into(part, POD if part == "manifest" else "")
    page.wait_for(lambda: len(page.pods()) == 1)
    assert page.find(f"#{part}").get_attribute("aria-invalid") is None
    assert not page.find(f"#{part}-problem").is_displayed()


def test_an_empty_page_says_what_to_do(page: Page) -> None:
    page.paste_into("manifest", " ")
    page.wait_for(lambda: page.status() == "Paste a manifest, or take an example.")
    assert page.pods() == []


def test_a_file_without_pods_says_so(page: Page) -> None:
    page.paste_into("manifest", "kind: Service\n")
    page.wait_for(lambda: page.status() == "No pod or workload in this manifest: nothing to do.")


def test_texts_of_people_are_never_markup(page: Page) -> None:
    page.paste_into("manifest", POD.replace("name: ci #", "name: '<img src=x onerror=alert(1)>' #"))
    page.wait_for(lambda: page.pods() == ["injected pod/<img src=x onerror=alert(1)>"])
    assert page.run("return document.querySelectorAll('main img').length") == 0


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    page.press(Keys.TAB)
    assert page.focus() == "Skip to the decision"
    page.tab_to("manifest")
    page.paste(POD.replace("annotations:\n    dind.io/inject: sidecar", "labels: {a: b}"))
    page.wait_for(lambda: page.texts(".reason") == ["not-requested"])
    page.press(Keys.TAB)
    assert page.focus() == "namespace"
    page.press(Keys.ARROW_DOWN)
    page.wait_for(lambda: page.texts(".reason") == ["sidecar mode"])
    page.press(Keys.TAB)
    assert page.focus() == "inject"
    page.press("d")
    page.wait_for(lambda: page.texts(".reason") == ["daemonset mode"])
    page.press(Keys.TAB, Keys.ENTER)
    page.tab_to("option-wait")
    assert Select(page.find("#option-wait")).first_selected_option.text == "true (default)"
    page.press("f")
    page.wait_for(lambda: "dind-wait added" not in page.texts(".containers .name"))


def test_the_focus_follows_the_reading_order(page: Page) -> None:
    stops = []
    for _ in range(40):
        page.press(Keys.TAB)
        if not page.focus():
            break
        stops.append(page.focus())
    patch = stops.pop()
    assert patch.startswith("[")
    assert stops == [
        "Skip to the decision",
        "Pod",
        "Job",
        "Deployment",
        "CronJob",
        "Denied pod",
        "manifest",
        "namespace",
        "inject",
        "Options",
        "Settings of the operator",
        f"Why, rule by rule All {len(RULES) - 1} rules hold; 1 more only in a cluster",
        "unfold",
        "Copy with annotations",
        "Copy as injected",
        "Show 4 unchanged lines",
        "Show 4 unchanged lines",
        "Copy the patch",
        "patch-0",
    ]


def test_the_skip_link_leads_to_the_decision(page: Page) -> None:
    page.press(Keys.TAB, Keys.ENTER)
    assert page.focus() == "decision"


def test_what_becomes_of_a_pod_is_announced(page: Page) -> None:
    assert page.find("#status").get_attribute("role") == "status"
    page.paste_into("manifest", POD)
    page.wait_for(lambda: page.status() == "pod/ci: injected, sidecar mode, 9 additions")


def _no_change(page: Page) -> None: ...


def _denied(page: Page) -> None:
    page.click("Denied pod")
    page.wait_for(lambda: page.pods() == ["denied pod/old-build"])


def _broken(page: Page) -> None:
    page.paste_into("settings", "injection: [")
    page.paste_into("manifest", POD)
    page.wait_for(lambda: page.find("#settings-problem").is_displayed())


def _unfolded(page: Page) -> None:
    page.click("Job")
    page.wait_for(lambda: page.pods() == ["injected job/image"])
    page.run("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")


STATES = {"injected": _no_change, "denied": _denied, "broken": _broken, "unfolded": _unfolded}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("state", STATES)
def test_the_rules_of_accessibility_hold(state: str, width: int, scheme: str, page: Page) -> None:
    page.open(width, scheme)
    STATES[state](page)
    page.save_screenshot(f"{state}-{width}-{scheme}")
    assert page.violations() == []


def test_light_and_dark_follow_the_system(page: Page) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate("prefers-color-scheme", scheme)
        colour = page.run("return getComputedStyle(document.documentElement).backgroundColor")
        grounds.append(sum(map(int, colour[4:-1].split(","))))
    assert grounds[0] > 600
    assert grounds[1] < 150


def test_who_wants_no_motion_gets_none(page: Page) -> None:
    page.emulate("prefers-reduced-motion", "reduce")
    assert page.run("return getComputedStyle(document.querySelector('.connection')).transitionDuration") == "0s"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(width: int, page: Page) -> None:
    page.open(width)
    for words in ("Job", "Deployment", "Denied pod"):
        before = page.pods()
        page.click(words)
        page.wait_for(lambda before=before: page.pods() not in ([], before))
        assert page.run("return document.documentElement.scrollWidth") <= width
