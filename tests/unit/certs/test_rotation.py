"""Renewal as pure functions of the time: the tests choose any time in the lifetime of a certificate."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from dind_webhook.certs.issue import BACKDATE, KeyPair, issue_ca, issue_serving_cert
from dind_webhook.certs.rotation import (
    CertState,
    Lifetimes,
    Renewal,
    UnusableCertStateError,
    add_trusted_ca,
    decode_state,
    encode_state,
    expiry,
    is_current,
    issue_time,
    may_serve,
    new_state,
    next_change,
    renew,
    renewal,
    trust_bundle,
    unexpired_self_signed_cas,
)

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LIFETIMES = Lifetimes(ca=90 * DAY, leaf=30 * DAY)
HOSTS = ("dind-webhook.ci.svc", "fd00::1")
LEAF_DUE = Renewal(ca=False, reason="the serving certificate has passed two thirds of its lifetime")
CA_DUE = Renewal(ca=True, reason="the CA has passed two thirds of its lifetime")


@pytest.fixture(scope="module")
def state() -> CertState:
    return new_state(HOSTS, LIFETIMES, NOW)


@pytest.fixture(scope="module")
def rotated(state: CertState) -> CertState:
    """Return a state after the renewal of the leaf and then of the CA, each at its due time."""
    older = renew(state, LEAF_DUE, HOSTS, LIFETIMES, NOW + 40 * DAY)
    return renew(older, CA_DUE, HOSTS, LIFETIMES, NOW + 60 * DAY)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (timedelta(0), None),
        (20 * DAY - SECOND, None),
        (20 * DAY, LEAF_DUE),
        (60 * DAY - SECOND, LEAF_DUE),
        (60 * DAY, CA_DUE),
        (900 * DAY, CA_DUE),
        (-BACKDATE, None),
        (-BACKDATE - SECOND, Renewal(ca=True, reason="the CA is not valid yet")),
    ],
)
def test_each_certificate_is_renewed_at_two_thirds_of_its_life(
    state: CertState, at: timedelta, expected: Renewal | None
) -> None:
    assert renewal(state, HOSTS, NOW + at) == expected


def test_a_leaf_from_the_future_is_renewed_alone(state: CertState) -> None:
    ahead = renew(state, LEAF_DUE, HOSTS, LIFETIMES, NOW + DAY)
    assert renewal(ahead, HOSTS, NOW) == Renewal(ca=False, reason="the serving certificate is not valid yet")


def test_a_host_that_the_leaf_lacks_is_a_reason_to_renew_it(state: CertState) -> None:
    hosts = (*HOSTS, "10.0.0.1", "webhook.example")
    due = renewal(state, hosts, NOW)
    assert due == Renewal(ca=False, reason="the serving certificate lacks 10.0.0.1, webhook.example")
    assert renewal(renew(state, due, hosts, LIFETIMES, NOW), hosts, NOW) is None
    assert renewal(state, HOSTS[:1], NOW) is None, "one name too many harms nobody"


def test_a_new_leaf_has_the_same_ca_and_a_new_ca_keeps_the_old_one_trusted_until_its_last_leaf_ends(
    state: CertState, rotated: CertState
) -> None:
    leaf = renew(state, LEAF_DUE, HOSTS, LIFETIMES, NOW + 20 * DAY)
    assert (leaf.ca, leaf.leaf == state.leaf) == (state.ca, False)
    assert rotated.previous_cas == state.ca.cert
    assert rotated.previous_until == NOW + 70 * DAY
    until = NOW + 70 * DAY
    assert trust_bundle(rotated, until - SECOND) == rotated.ca.cert + state.ca.cert
    assert trust_bundle(rotated, until) == rotated.ca.cert


def test_what_needs_nothing_now_says_when_it_will(state: CertState, rotated: CertState) -> None:
    assert next_change(state, NOW) == NOW + 20 * DAY
    assert next_change(rotated, NOW + 60 * DAY) == NOW + 70 * DAY
    assert next_change(rotated, NOW + 70 * DAY) == NOW + 80 * DAY


def test_lives_are_short_enough_for_what_has_to_happen_in_them() -> None:
    """No replica ever serves an expired certificate, over many lifetimes."""
    lifetimes = Lifetimes(ca=timedelta(seconds=60), leaf=timedelta(seconds=20))
    now, state = NOW, new_state(HOSTS, lifetimes, NOW)
    cas = {state.ca.cert}
    for _ in range(50):
        now = next_change(state, now)
        before = state
        while due := renewal(state, HOSTS, now):
            state = renew(state, due, HOSTS, lifetimes, now)
        cas.add(state.ca.cert)
        # The previous leaf is served until the new CA has been in the bundle for long enough.
        handover = now + lifetimes.wait
        assert is_current(before.leaf.cert, handover)
        for moment in (now, handover):
            assert before.ca.cert in trust_bundle(state, moment)
        assert expiry(state.leaf.cert) <= expiry(state.ca.cert)
    assert len(cas) > 10


@pytest.mark.parametrize(("leaf", "wait"), [(30 * DAY, timedelta(seconds=30)), (12 * SECOND, 2 * SECOND)])
def test_a_new_ca_is_given_time_in_the_bundle_but_not_more_than_a_leaf_has(leaf: timedelta, wait: timedelta) -> None:
    assert Lifetimes(3 * leaf, leaf).wait == wait


@pytest.mark.parametrize(
    ("served", "trusted_for", "expected"),
    [
        ("nothing", None, False),
        ("nothing", timedelta(0), False),
        ("nothing", 30 * SECOND, True),
        ("the old CA's leaf", 30 * SECOND - SECOND, False),
        ("the old CA's leaf", 30 * SECOND, True),
        ("the same CA's leaf", None, False),
        ("the same CA's leaf", timedelta(0), True),
        ("what has expired", timedelta(0), False),
        ("garbage", timedelta(0), False),
        ("garbage", 30 * SECOND, True),
    ],
)
def test_a_leaf_of_a_new_ca_is_served_once_that_has_been_trusted_for_a_while(
    rotated: CertState, served: str, trusted_for: timedelta | None, expected: bool
) -> None:
    now = NOW + 61 * DAY
    old = issue_serving_cert(issue_ca(NOW, 90 * DAY), HOSTS, NOW + 60 * DAY, 30 * DAY)
    cert = {
        "nothing": None,
        "the old CA's leaf": old.cert,
        "the same CA's leaf": issue_serving_cert(rotated.ca, HOSTS, NOW + 60 * DAY, 30 * DAY).cert,
        "what has expired": issue_serving_cert(rotated.ca, HOSTS, NOW + 60 * DAY, DAY / 2).cert,
        "garbage": b"garbage",
    }[served]
    since = None if trusted_for is None else now - trusted_for
    assert may_serve(rotated, cert, since, LIFETIMES, now) is expected


def test_where_nobody_served_before_nobody_waits(state: CertState) -> None:
    assert may_serve(state, None, NOW, LIFETIMES, NOW)
    assert not may_serve(state, None, None, LIFETIMES, NOW)


def test_a_ca_whose_leaf_is_served_is_trusted_again(state: CertState, rotated: CertState) -> None:
    other_state = new_state(HOSTS, LIFETIMES, NOW + DAY)
    repaired = add_trusted_ca(other_state, state, NOW + DAY)
    assert repaired is not None
    assert trust_bundle(repaired, NOW + DAY) == other_state.ca.cert + state.ca.cert
    assert repaired.previous_until == expiry(state.leaf.cert)
    assert add_trusted_ca(repaired, state, NOW + DAY) is None
    assert add_trusted_ca(other_state, state, NOW + 30 * DAY) is None, "its leaf has expired"
    merged = add_trusted_ca(rotated, other_state, NOW + 30 * DAY)
    assert merged is not None
    assert trust_bundle(merged, NOW + 30 * DAY) == rotated.ca.cert + state.ca.cert + other_state.ca.cert
    assert merged.previous_until == rotated.previous_until, "the later of both"


def test_times_of_certificates_are_read_without_the_backdating(state: CertState) -> None:
    assert (issue_time(state.ca.cert), expiry(state.leaf.cert)) == (NOW, NOW + 30 * DAY)
    assert is_current(state.leaf.cert, NOW)
    assert not is_current(state.leaf.cert, NOW + 30 * DAY)
    assert not is_current(state.leaf.cert, NOW - BACKDATE - SECOND)
    assert not is_current(b"garbage", NOW)


def test_of_a_bundle_those_are_kept_that_are_cas_and_valid(state: CertState) -> None:
    old = issue_ca(NOW - 10 * DAY, DAY)
    bundle = state.leaf.cert + state.ca.cert + old.cert
    assert unexpired_self_signed_cas(bundle, NOW) == state.ca.cert
    assert unexpired_self_signed_cas(bundle, NOW - 10 * DAY) == state.ca.cert + old.cert
    assert unexpired_self_signed_cas(b"garbage", NOW) == unexpired_self_signed_cas(b"", NOW) == b""


def test_a_keyring_goes_into_a_secret_and_comes_back(state: CertState, rotated: CertState) -> None:
    for one in (state, rotated):
        assert decode_state(encode_state(one)) == one
    assert encode_state(state)["old-ca.crt"] == b"", "or what was there before would stay"


def broken_state(what: str, state: CertState) -> dict[str, bytes]:
    data = encode_state(state)
    other = new_state(HOSTS, LIFETIMES, NOW)
    rsa = trustme.CA(key_type=trustme.KeyType.RSA).private_key_pem.bytes()
    changes: dict[str, dict[str, bytes]] = {
        "nothing": dict.fromkeys(data, b""),
        "no key": {"tls.key": b""},
        "garbage": {"ca.crt": b"garbage"},
        "a damaged key": {"tls.key": data["tls.key"][:60]},
        "a damaged time": {"old-ca-until": b"tomorrow"},
        "a damaged old CA": {"old-ca.crt": b"garbage"},
        "another key": {"tls.key": other.leaf.key},
        "an RSA key": {"ca.key": rsa},
        "another CA": {"ca.crt": other.ca.cert, "ca.key": other.ca.key},
    }
    return {**data, **changes[what]}


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("nothing", "has no ca.crt, ca.key, tls.crt, tls.key"),
        ("no key", "has no tls.key"),
        ("garbage", "holds something that cannot be read"),
        ("a damaged key", "holds something that cannot be read"),
        ("a damaged time", "holds something that cannot be read"),
        ("a damaged old CA", "holds something that cannot be read"),
        ("another key", "holds a certificate and a key that do not match"),
        ("an RSA key", "holds a certificate and a key that do not match"),
        ("another CA", "holds a serving certificate of another CA"),
    ],
)
def test_what_is_no_keyring_is_refused_without_quoting_it(state: CertState, what: str, problem: str) -> None:
    with pytest.raises(UnusableCertStateError) as refused:
        decode_state(broken_state(what, state))
    assert str(refused.value) == problem


def test_a_ca_of_rsa_that_somebody_put_there_is_refused() -> None:
    ca = trustme.CA(key_type=trustme.KeyType.RSA)
    leaf = ca.issue_cert(HOSTS[0])
    pair = KeyPair(ca.cert_pem.bytes(), ca.private_key_pem.bytes())
    data = encode_state(CertState(pair, KeyPair(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())))
    with pytest.raises(UnusableCertStateError, match="a CA without an EC key"):
        decode_state(data)


def test_a_leaf_without_any_name_that_counts_lacks_them_all(state: CertState) -> None:
    nameless = state._replace(leaf=state.ca)
    assert renewal(nameless, HOSTS, NOW) == Renewal(
        ca=False, reason=f"the serving certificate lacks {', '.join(HOSTS)}"
    )
