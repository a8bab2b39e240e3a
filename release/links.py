"""Links of texts that are read outside of the repository."""

import posixpath
import re


def with_absolute_links(text: str, repository: str, version: str, folder: str = "") -> str:
    """Return a text whose links to files of the repository lead to the files of a version on GitHub.

    The text is of a file in `folder`, relative to the root of the repository.
    """
    base = f"https://github.com/{repository}/blob/v{version}/"

    def moved(match: re.Match[str]) -> str:
        return f"]({base}{posixpath.normpath(posixpath.join(folder, match[1]))})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", moved, text)
