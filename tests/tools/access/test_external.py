import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.access.external import USER, groups_in, person_of, role_of, user_name
from tools.errors import Forbidden, Unauthorized
from tools.sections import Oidc

pytestmark = pytest.mark.pure

CLAIMS = {"iss": "https://a.example", "sub": "1", "exp": 10, "preferred_username": "ana"}


@pytest.mark.parametrize("name", ["ana", "ana.perez@example.org", "0-a_b", "a" * 64])
def test_a_name_that_fits_stays_as_it_is(name):
    assert user_name(name, issuer="i", subject="s") == name


@pytest.mark.parametrize(
    ("name", "begins"),
    [("José Pérez", "jose-perez-"), ("ANA", "ana-"), ("日本", "user-"), ("..", "user-"), ("a" * 99, "aaa")],
)
def test_another_name_is_made_to_fit_and_bears_a_mark(name, begins):
    made = user_name(name, issuer="i", subject="s")
    assert made.startswith(begins)
    assert USER.fullmatch(made)


@given(st.text(min_size=1, max_size=80))
def test_every_name_fits_and_those_of_two_subjects_differ_once_changed(name):
    first, second = (user_name(name, issuer="i", subject=subject) for subject in ("1", "2"))
    assert USER.fullmatch(first)
    assert (first == second) == (first == name)


def test_groups_are_found_at_their_name_at_a_path_or_not_at_all():
    claims = {"a.b": ["x"], "a": {"c": ["y", 1]}, "one": "z"}
    assert [groups_in(claims, path) for path in ("a.b", "a.c", "one", "no", "a.c.d")] == [
        ["x"],
        ["y"],
        ["z"],
        [],
        [],
    ]


def test_the_highest_role_wins_and_who_has_none_gets_the_default():
    oidc = Oidc(roles={"a": "user", "b": "admin", "c": "operator"}, default_role=None)
    assert role_of(["a", "b", "c"], oidc) == "admin"
    assert role_of(["a", "c", "d"], oidc) == "operator"
    assert role_of(["d"], oidc) is None
    assert role_of([], Oidc()) == "user"


def test_a_person_without_a_name_or_with_an_unproved_address_does_not_enter():
    by_mail = Oidc(user_claim="email")
    for claims in ({}, {"email": 3}, {"email": "a@b.example", "email_verified": False}):
        with pytest.raises(Unauthorized):
            person_of({**CLAIMS, **claims}, by_mail)
    with pytest.raises(Forbidden):
        person_of(CLAIMS, Oidc(default_role=None))
    assert person_of({**CLAIMS, "email": "a@b.example"}, by_mail).user == "a@b.example"
    assert person_of(CLAIMS, Oidc()).external() == {
        "issuer": "https://a.example",
        "subject": "1",
        "user": "ana",
        "role": "user",
        "tenant": "default",
    }


def test_nobody_is_called_as_the_deployment_is() -> None:
    assert user_name("ana", issuer="https://id.example.org", subject="1") == "ana"
    assert user_name("local", issuer="https://id.example.org", subject="1").startswith("local-")
