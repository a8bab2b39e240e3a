"""The playground: one page, and the server on this machine's loopback address that answers it.

`static` has the page; the documentation serves the same files, and answers in the browser.
"""

from app.playground.application import playground_application
from app.playground.serve import serve_playground

__all__ = ["playground_application", "serve_playground"]
