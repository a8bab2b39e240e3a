"""The webhook and the command line both give the results that the folder of each case expects."""

from pathlib import Path

import pytest
from golden import (
    CASES,
    EXAMPLES,
    Case,
    all_cases,
    compare_or_update,
    created_pods,
    join_reports,
    parse_documents,
    read_case,
    read_expected,
    run_command_line,
    run_webhook,
    send_review,
    validate,
)

from dind_webhook.http import FairQueue, Metrics, webhook_application
from dind_webhook.injection import OPTIONS, Reason

CASES_IN_ORDER = all_cases()
INJECTED_CASES = [case for case in CASES_IN_ORDER if (CASES / case.name / "expected.yaml").exists()]
# Reasons about requests: the command line sends none.
REQUEST_REASONS = {Reason.NOT_A_POD_CREATE, Reason.SUBRESOURCE}

each_case = pytest.mark.parametrize("case", CASES_IN_ORDER, ids=lambda case: case.name)
each_injected_case = pytest.mark.parametrize("case", INJECTED_CASES, ids=lambda case: case.name)


@each_case
def test_the_command_line_prints_what_the_case_holds(case: Case, update: bool) -> None:
    output = run_command_line(case)
    denied = ": denied (" in output.stderr
    injected = ": injected (" in output.stderr
    if not injected and not denied:
        assert output.stdout == case.manifest.read_text("utf-8"), "nothing was to be done to this file"
    compare_or_update(CASES / case.name / "report.txt", output.stderr, update)
    compare_or_update(CASES / case.name / "expected.yaml", output.stdout if injected else "", update)
    assert output.exit_code == (1 if denied else 0)
    assert not (denied and output.stdout), "kubectl must not find anything to apply"


@each_case
def test_the_webhook_answers_what_the_command_line_reports(case: Case) -> None:
    # Notes are about workloads; the webhook sees their pods only.
    lines = (CASES / case.name / "report.txt").read_text("utf-8").splitlines(keepends=True)
    assert join_reports(run_webhook(case)) == "".join(line for line in lines if not line.startswith("  note: "))


@each_injected_case
def test_the_webhook_makes_the_same_pod_as_the_command_line(case: Case) -> None:
    assert [answer.pod for answer in run_webhook(case)] == [
        pod for _, pod in created_pods(parse_documents(read_expected(case)))
    ]


@each_injected_case
def test_the_current_kubernetes_knows_every_member_of_the_result(case: Case) -> None:
    for document in parse_documents(read_expected(case)):
        validate(document, case.not_in_schema)


@each_injected_case
def test_what_was_injected_is_left_alone_the_second_time(case: Case) -> None:
    application = webhook_application(case.policy, Metrics(), 2**20, FairQueue())
    for answer in run_webhook(case):
        if ": injected (" in answer.report:
            assert "untouched (unchanged)" in send_review(application, "again", answer.pod, case.namespace_label).report


def test_the_schema_refuses_what_kubernetes_does_not_know() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ci"}, "spec": {"containers": [{"name": "ci"}]}}
    validate(pod, ())
    pod["spec"]["containers"][0]["privileged"] = True
    with pytest.raises(AssertionError, match="privileged"):
        validate(pod, ())


def test_every_reason_has_a_case() -> None:
    reports = "".join((CASES / case.name / "report.txt").read_text("utf-8") for case in CASES_IN_ORDER)
    missing = {
        reason.slug
        for reason in set(Reason) - REQUEST_REASONS - {Reason.INJECTED, Reason.NOT_SELECTED}
        if f": {reason.outcome} ({reason.slug}): " not in reports
    }
    assert missing == set()


def test_every_option_is_injected_in_some_case() -> None:
    manifests = "".join(case.manifest.read_text("utf-8") for case in INJECTED_CASES)
    assert {option.key for option in OPTIONS if f"{option.key}: " not in manifests} == set()


def test_every_example_is_a_case() -> None:
    used = {path for case in CASES_IN_ORDER for path in (case.manifest, case.settings)}
    assert {path.name for path in EXAMPLES.iterdir() if path not in used} == {"README.md"}


def test_the_readme_of_the_examples_names_each_of_them() -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    assert {path.name for path in EXAMPLES.glob("*.yaml") if path.name not in readme} == set()


def test_the_examples_are_valid_objects_as_they_stand() -> None:
    for example in EXAMPLES.glob("*.yaml"):
        if not example.name.endswith(".settings.yaml"):
            for document in parse_documents(example.read_text("utf-8")):
                validate(document, ())


def test_a_result_that_is_not_what_the_file_holds_fails(tmp_path: Path) -> None:
    (tmp_path / "expected.yaml").write_text("kind: Pod\n")
    with pytest.raises(AssertionError, match="make golden"):
        compare_or_update(tmp_path / "expected.yaml", "kind: Job\n", update=False)


def test_a_result_without_a_file_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="make golden"):
        compare_or_update(tmp_path / "expected.yaml", "kind: Pod\n", update=False)


def test_a_file_without_a_result_fails(tmp_path: Path) -> None:
    (tmp_path / "expected.yaml").write_text("kind: Pod\n")
    with pytest.raises(AssertionError, match="make golden"):
        compare_or_update(tmp_path / "expected.yaml", "", update=False)


def test_an_update_writes_what_is_missing_and_removes_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "left").write_text("kind: Pod\n")
    compare_or_update(tmp_path / "left", "", update=True)
    compare_or_update(tmp_path / "missing", "kind: Pod\n", update=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("missing", "kind: Pod\n")]


def test_a_file_that_no_case_uses_fails(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").touch()
    (tmp_path / "exepcted.yaml").touch()
    with pytest.raises(ValueError, match=r"nothing uses exepcted\.yaml"):
        read_case(tmp_path)


def test_a_folder_without_a_manifest_fails(tmp_path: Path) -> None:
    (tmp_path / "expected.yaml").touch()
    with pytest.raises(ValueError, match="needs one of"):
        read_case(tmp_path)
