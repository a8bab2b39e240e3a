"""The playground: a page that shows how injection decides on a manifest, and what it changes.

`static` is the page. `application` serves it on a loopback address. In the documentation, the same page runs this
package in the browser itself, compiled to WebAssembly.
"""

from dind_webhook.playground.evaluate import answer_question, build_form
from dind_webhook.playground.schema import Evaluation, Form, InputProblem, Question, Refusal

__all__ = ["Evaluation", "Form", "InputProblem", "Question", "Refusal", "answer_question", "build_form"]
