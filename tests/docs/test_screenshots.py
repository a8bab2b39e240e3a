"""The pictures of terminals show the current output of the commands."""

import re
from html import unescape
from pathlib import Path

import pytest
from pages import DOCS, PAGES
from scripts import load

CAMERA = load(DOCS / "screenshots.py")
PICTURES = sorted((DOCS / "assets").glob("terminal-*.svg"))


def _text(svg: str) -> list[str]:
    """Return the texts of a picture, without font, size and colour."""
    return [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


@pytest.mark.parametrize("name", CAMERA.SESSIONS)
def test_a_picture_shows_what_is_printed_now(name: str) -> None:
    shown = _text((DOCS / f"assets/{name}.svg").read_text("utf-8"))
    assert shown == _text(CAMERA.picture(name, CAMERA.SESSIONS[name])), "run: make screenshots"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_loads_nothing_from_elsewhere(picture: Path) -> None:
    addresses = re.findall(r"\w+://[^\s\"')<]+", re.sub(r"<text.*?</text>", "", picture.read_text("utf-8")))
    assert set(addresses) == {"http://www.w3.org/2000/svg"}


def test_every_picture_is_on_a_page() -> None:
    shown = {Path(target).name for page in PAGES for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())}
    assert shown >= {path.name for path in PICTURES} | {"modes.svg", "playground.png"}
