"""The playground: a page that shows how injection decides on a manifest, and what it changes.

`static` is the page. It asks `application`, a server on the loopback address; in the documentation, the same page asks
this package, compiled to WebAssembly, in the browser itself.
"""

from app.playground.evaluate import Evaluation, Form, Question, form
from app.playground.question import InputProblem, Refusal, answer_question

__all__ = ["Evaluation", "Form", "InputProblem", "Question", "Refusal", "answer_question", "form"]
