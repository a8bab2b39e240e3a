"""The responses of the application conform to openapi.yaml for generated requests."""

from pathlib import Path

import schemathesis
from hypothesis import settings
from schemathesis import Case
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi import checks

from dind_webhook.http import FairQueue, Metrics, webhook_application
from dind_webhook.settings import InjectionSettings, make_policy

_BODY_LIMIT = 4096

_SCHEMA = schemathesis.openapi.from_path(
    Path(__file__).with_name("openapi.yaml"), config=schemathesis.Config.from_dict({"seed": 1})
)
_SCHEMA.app = webhook_application(make_policy(InjectionSettings()), Metrics(), _BODY_LIMIT, FairQueue())
_CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]


@_SCHEMA.parametrize()
@settings(database=None, max_examples=10)
def test_every_answer_is_in_the_document(case: Case) -> None:
    case.call_and_validate(checks=_CHECKS)
