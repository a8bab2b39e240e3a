"""Each sentence of docs/cli.md about the layout that `inject` keeps or normalises is true."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Run = Callable[..., Any]
Write = Callable[..., Path]

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8").split())


class Case(NamedTuple):
    """A part of a pod's spec, and the expected text after injection: the same, unless given."""

    before: str
    after: str | None = None


SENTENCES = {
    "comments and blank lines, the order of keys and items, quotes": Case(
        "  # about a\n\n  b: 'x' # one\n  a: \"y\"\n\n  # end\n  c:\n  - z\n  - z\n"
    ),
    "the spelling of plain values such as `yes`, `0644` and `~`": Case("  a: [yes, Off, 0644, 0x1F, 1_000, ~, null]\n"),
    "block scalars, anchors and aliases": Case(
        "  a: |\n    one\n      two\n  b: >-\n    three\n    four\n  c: &c\n  - x\n  d: *c\n  e: &e z\n"
    ),
    "Mappings and lists are indented as most of them are in that document.": Case(
        "  a:\n      b: 1\n  c:\n    - x\n", "  a:\n    b: 1\n  c:\n  - x\n"
    ),
    "One space follows `:`, `-` and `,`, and no space is inside brackets": Case(
        "  a:   1\n  b: [ x,y,   z ]\n  c: { d:  1 }\n", "  a: 1\n  b: [x, y, z]\n  c: {d: 1}\n"
    ),
    "spaces before a comment are kept where its column allows it": Case("  a: 1    # here\n"),
    "Plain or quoted text on several lines, and brackets on several lines, are put on one line.": Case(
        "  a: one\n    two\n  b: 'one\n    two'\n  c: [\n    x,\n    y,\n  ]\n",
        "  a: one two\n  b: 'one two'\n  c: [x, y]\n",
    ),
    "Long lines are not wrapped.": Case(f"  a: {'word ' * 99}end\n"),
    "A key without a value in brackets gets `null`.": Case("  a: {b: , c: 1}\n", "  a: {b: null, c: 1}\n"),
    'Escapes in double quotes, such as `"\\u00e9"`, are written as the character, if it can be printed.': Case(
        '  a: "\\u00e9\\u200b"\n', '  a: "é\\u200b"\n'
    ),
    "Keys with `?` are written with `:`, and tags that YAML implies, such as `!!map`, are left out.": Case(
        "  ? a\n  : 1\n  b: !!map\n    c: 1\n", "  a: 1\n  b:\n    c: 1\n"
    ),
}


def spec(before: str) -> str:
    """Return a pod with lists at the column of their keys, and these lines in its spec."""
    return (
        "kind: Pod\nmetadata:\n  annotations:\n    dind.io/inject: daemonset\n  labels:\n    a: b\nspec:\n"
        f"{before}  containers:\n  - name: build\n    args:\n    - x\n    env:\n    - name: A\n"
    )


@pytest.mark.parametrize(("sentence", "case"), SENTENCES.items(), ids=[sentence[:30] for sentence in SENTENCES])
def test_a_sentence_on_the_layout_is_true(run: Run, write: Write, sentence: str, case: Case) -> None:
    assert sentence in PAGE
    ran = run("inject", "-f", write(spec(case.before)))
    start, _, rest = ran.stdout.partition("spec:\n")
    assert rest.startswith((case.before if case.after is None else case.after) + "  containers:\n")
    assert "dind.io/inject: daemonset\n" in start


def test_an_untouched_document_is_printed_byte_for_byte_beside_one_that_is_injected(run: Run, write: Write) -> None:
    assert "A document in which nothing is injected is printed byte for byte." in PAGE
    other = "a:   [ x ]\n# end\n"
    assert run("inject", "-f", write(f"{other}---\n{spec('')}---\n{other}")).stdout.split("---\n")[::2] == [
        other,
        other,
    ]


def test_json_keeps_its_indentation_and_writes_numbers_in_their_shortest_form(run: Run, write: Write) -> None:
    assert "JSON stays JSON, with the indentation and the spaces of its first line." in PAGE
    assert "`1e3` becomes `1000.0`" in PAGE
    pod = '{"kind":"Pod","metadata":{"annotations":{"dind.io/inject":"daemonset"}},'
    pod += '"spec":{"a":1e3,"containers":[{"name":"b"}]}}\n'
    printed = run("inject", "-f", write(pod, "pod.json")).stdout
    assert printed.startswith('{"kind":"Pod","metadata":{"annotations":{"dind.io/inject":"daemonset",')
    assert '"a":1000.0,' in printed
    assert printed.endswith("}\n")
    assert "\n" not in printed[:-1]


def test_brackets_that_gain_something_are_written_in_block_style(run: Run, write: Write) -> None:
    assert "A list or mapping in brackets that gains something is written in block style, like all around it." in PAGE
    flow = spec("").replace("  containers:\n  - name: build\n    args:\n    - x\n    env:\n    - name: A\n", "")
    printed = run("inject", "-f", write(f"{flow}  containers: [{{name: build, args: [x], env: []}}]\n")).stdout
    assert "  containers:\n  - name: build\n    args: [x]\n    env:\n    - name: DOCKER_HOST\n" in printed


@pytest.mark.parametrize(("end", "printed_end"), [("# end", "# end\n"), ("", "\n")])
def test_a_document_with_additions_ends_with_a_line_end(run: Run, write: Write, end: str, printed_end: str) -> None:
    assert "A document with additions ends with a line end." in PAGE
    assert run("inject", "-f", write(spec("").removesuffix("\n") + f"\n{end}".rstrip())).stdout.endswith(printed_end)


def test_aliases_are_replaced_where_an_addition_goes_into_what_they_share(run: Run, write: Write) -> None:
    assert "all aliases and merge keys of that document are replaced by what they stand for" in PAGE
    shared = spec("").replace("env:", "env: &env") + "  - name: test\n    env: *env\n"
    printed = run("inject", "-f", write(shared)).stdout
    assert "&env" not in printed
    assert printed.count("    - name: A\n    - name: DOCKER_HOST\n") == 2


def test_a_document_that_cannot_be_written_so_is_written_from_its_data(run: Run, write: Write) -> None:
    assert "such as one with folded text in which a line begins with a tab, is written from its data" in PAGE
    printed = run("inject", "-f", write(spec("  # lost\n  a: >-\n    x\n    \ty\n    z\n"))).stdout
    assert "# lost" not in printed
    assert '\n  a: "x\\n\\ty\\nz"\n' in printed


def test_the_diff_shows_additions_alone_whatever_is_normalised(run: Run, write: Write) -> None:
    assert (
        "`inject --diff` compares the document in this form before and after, so it shows the additions alone" in PAGE
    )
    printed = run("inject", "--diff", "-f", write(spec("  a:    [ 1 ]\n")))
    assert {line[:1] for line in printed.stdout.splitlines()[2:]} == {"@", " ", "+"}


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    from dind_webhook.manifests import source, to_json

    assert f"| size of a file | {source.MAX_CHARACTERS // 2**20} MiB |" in PAGE
    assert f"| depth of nesting | {source.MAX_DEPTH} levels |" in PAGE
    assert f"in one document | {to_json.MAX_ALIASED_NODES:,} |" in PAGE


BRACKETS = """\
apiVersion: v1
kind: Pod
metadata:
  name: ci
  annotations:
    dind.io/inject: sidecar
spec:
  containers:
    - name: test # kept
      image: docker:cli
      command: [ # one
        sh, # two
        -c]
"""


@pytest.mark.parametrize("flags", [(), ("--diff",)])
def test_comments_that_are_lost_are_named(run: Run, write: Write, flags: tuple[str, ...]) -> None:
    assert "Comments inside brackets may be lost. `inject` names them on standard error." in PAGE
    ran = run("inject", *flags, "-f", write(BRACKETS))
    assert "pod/ci: comments are lost: # one, # two\n" in ran.stderr
    assert "# kept" in run("inject", "-f", write(BRACKETS)).stdout


def test_a_document_that_keeps_its_comments_has_no_such_line(run: Run, write: Write) -> None:
    kept = BRACKETS.replace("[ # one\n        sh, # two\n        -c]", "[sh, -c] # '#'")
    assert "comments are lost" not in run("inject", "-f", write(kept)).stderr


def test_a_comment_below_the_last_line_stays_below_the_additions(run: Run, write: Write) -> None:
    assert "Comments below the last line of a document stay below the additions" in PAGE
    printed = run("inject", "-f", write(spec("") + "  volumes:\n  - name: a\n  # - name: b\n")).stdout
    assert printed.endswith("\n  # - name: b\n")


def test_one_line_end_of_windows_is_enough_for_all_lines_of_a_document_with_additions(run: Run, write: Write) -> None:
    assert "A file with one line end of Windows has them at the end of all lines of documents with additions." in PAGE
    manifest = write("")
    manifest.write_bytes(spec("").replace("\n", "\r\n", 1).encode())
    printed = run("inject", "-f", manifest).stdout
    assert printed.count("\r\n") == printed.count("\n") > 10
