"""The list of the decisions has the title, the date and the status of each note, and a status names a newer note."""

import re
from pathlib import Path

import pytest
from pages import DOCS

NOTES = sorted((DOCS / "decisions").glob("0*.md"))
STATUS = re.compile(r"accepted|(?:superseded(?: in part)?|extended) by (\d{4})(?: and (\d{4}))?")


def _header(note: Path) -> tuple[str, str, str]:
    """Return the title, the date and the status of a note."""
    match = re.match(r"# (.+)\n\n(\d{4}-\d\d-\d\d) · (.+)\n\n\*\*", note.read_text("utf-8"))
    assert match, note.name
    return match[1], match[2], match[3]


def test_the_list_has_each_note_with_its_date_and_status() -> None:
    rows = re.findall(r"^\| \[.*$", (DOCS / "decisions/README.md").read_text("utf-8"), re.MULTILINE)
    expected = []
    for note in NOTES:
        title, date, status = _header(note)
        expected.append(f"| [{note.name[:4]}]({note.name}) | {title} | {date} | {status} |")
    assert rows == expected


def test_the_numbers_have_no_gap() -> None:
    assert [int(note.name[:4]) for note in NOTES] == list(range(1, len(NOTES) + 1))


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.name[:4])
def test_a_status_names_a_newer_note_that_exists(note: Path) -> None:
    match = STATUS.fullmatch(_header(note)[2])
    assert match
    for number in filter(None, match.groups()):
        assert number > note.name[:4]
        assert any(newer.name.startswith(number) for newer in NOTES)


def test_the_list_maps_old_file_names_to_files_that_exist() -> None:
    rows = re.findall(r"^\| `[^`]+` \| `([^`]+)` \|$", (DOCS / "decisions/README.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 5
    for path in rows:
        assert list((DOCS.parent / "dind_webhook").glob(f"**/{path}")), path
