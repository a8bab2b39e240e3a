"""What a person sees of a decision before a cluster makes it: rules, changes line by line, a picture of the pod.

Values in, values out: the same functions run behind `dind-webhook playground` and, in the browser
itself, on the page of the documentation.
"""

from app.preview.answer import Answer, Form, Question, form
from app.preview.ask import Problem, Refusal, ask

__all__ = ["Answer", "Form", "Problem", "Question", "Refusal", "ask", "form"]
