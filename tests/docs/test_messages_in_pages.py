"""The page on troubleshooting has every denial and warning of `dind_webhook/injection`.

The messages are read from the code, as texts with holes, so a new one fails here before anybody adds a case for it.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import DOCS, ROOT

from dind_webhook.injection import INJECT, OPTIONS, Outcome, inject
from dind_webhook.settings import load_policy

PAGE = (DOCS / "troubleshooting.md").read_text("utf-8")
# Texts that pods get: between backticks, where a line may end, and the comments of denied manifests
SHOWN = [
    *(
        re.sub(r"\s+", " ", text)
        for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"(?ms)^```.*?^```$", "", PAGE))
    ),
    *re.findall(r"^# denied: (.*)$", PAGE, re.MULTILINE),
]
# Rows of the tables in annotations.md
ROWS = {"Option", "Rule"}
# No message to a pod's author, each with the reason
NO_MESSAGES = {
    "{} characters": "a bound in annotations.md",
    "{} items, {}": "a bound in annotations.md",
    "{}: cannot be empty": "a mistake in the operator's defaults",
    "{}: is not an option": "a mistake in the operator's defaults",
    "; did you mean {}?": "a mistake in the operator's defaults",
    "{}: cannot have a bound; options that can: {}": "a mistake in the operator's bounds",
    "{}: {} is not a bound; leave it out, or set a quantity": "a mistake in the operator's bounds",
    "{}: its default is unset, which is no limit; set defaults.{} to at most {}": "a mistake in the operator's bounds",
    "{}: its default, {}, is more than {}; set defaults.{} to at most {}": "a mistake in the operator's bounds",
    "not reached": "the state of a rule",
    "not checked here": "the state of a rule",
}
# Shell scripts and regular expressions
CODE = re.compile(r"^exit 1$|^(echo|trap) |; (do|ln)\b|\(\?")


def _is_sentence(template: str) -> bool:
    """Return whether a text has words: names, keys and formats have no blank."""
    return " " in template.strip() and bool(re.search(r"[a-z]{2}", template))


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in a node, with {} for each hole, without docstrings and tables of the reference."""
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        is_table = (isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ROWS) or (
            isinstance(child, ast.ClassDef) and child.name == "Reason"
        )
        if is_docstring or is_table:
            continue
        if isinstance(child, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in child.values)
            for part in child.values:
                yield from _texts(part) if isinstance(part, ast.FormattedValue) else ()
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from _texts(child)


def _messages() -> set[str]:
    modules = sorted(Path(ROOT / "dind_webhook/injection").glob("*.py"))
    texts = {text for path in modules for text in _texts(ast.parse(path.read_text("utf-8")))}
    return {text for text in texts if _is_sentence(text) and not CODE.search(text)}


MESSAGES = sorted(_messages() - NO_MESSAGES.keys())


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, template.split("{}"))))


@pytest.mark.parametrize("template", MESSAGES)
def test_a_message_is_on_the_page(template: str) -> None:
    assert any(_pattern(template).search(shown) for shown in SHOWN)


def test_the_messages_are_found_in_the_code() -> None:
    """Guard against a search that finds nothing: messages of several kinds and places."""
    assert len(MESSAGES) > 70
    for text in (
        "Docker Hub's certificate is not checked if a mirror's address is in",
        "every container of this pod can write the node's own /var/run",
        "{}storage-size is needed for a volume; set it",
        "these init containers run before {} does its check",
    ):
        assert text in MESSAGES


def test_no_exemption_is_stale() -> None:
    assert _messages() >= NO_MESSAGES.keys()


def test_contradictions_are_denied_in_the_words_of_the_page() -> None:
    rows = re.findall(r"^\| ((?:`dind\.io/[^`]+`(?:, )?){1,2}) \| `(dind\.io/[^`]+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 9
    names = json.dumps([option.name for option in OPTIONS])
    variables = {
        "ALLOWED_OPTIONS": names,
        "ALLOW_PUBLIC_TCP": "true",
        "ALLOWED_ISOLATIONS": '["none", "kata"]',
        "RUNTIME_CLASSES": '{"kata": "kata"}',
    }
    policy = load_policy(None, {f"DIND_WEBHOOK_INJECTION__{name}": value for name, value in variables.items()})
    for annotations, message in rows:
        texts = dict(text.split(":", 1) for text in re.findall(r"`([^`]+)`", annotations))
        metadata = {"annotations": {INJECT: "sidecar", **{key: text.strip() for key, text in texts.items()}}}
        decision = inject({"metadata": metadata, "spec": {"containers": [{"name": "build"}]}}, None, policy)
        assert decision.outcome is Outcome.DENIED
        assert decision.message == message
