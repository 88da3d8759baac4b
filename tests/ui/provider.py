"""A small real OpenID Connect provider as a child process, which insists on PKCE where it is told to.

It is `oidc-provider-mock`, which forgets a code's challenge: `InsistentGrant` keeps it, authlib checks it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import flask
from werkzeug.serving import make_server

from tests.bridge.conftest import listening, wait_until

REPO = Path(__file__).parents[2]
PEOPLE = {
    "7-olga": {"preferred_username": "olga", "groups": ["staff"]},
    "8-otto": {"preferred_username": "otto", "groups": ["bosses", "staff"]},
    "9-oona": {"preferred_username": "oona", "groups": ["guests"]},
    "10-ana": {"preferred_username": "ana", "groups": ["staff"]},
}
"""By subject; the last has the name of somebody who is there already."""


@contextmanager
def provider(port: int, *, pkce: bool) -> Iterator[str]:
    """Its issuer while it answers."""
    # Its library warns of its own future, which is an error in a process of the tests.
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.ui.provider",
        str(port),
        *(["pkce"] if pkce else []),
    ]
    child = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening(port) or child.poll() is not None)
        assert child.poll() is None, "the provider did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(20)


def serve(port: int, *, pkce: bool) -> None:
    """Answer until the process ends."""
    import oidc_provider_mock

    people = [oidc_provider_mock.User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()]
    app = oidc_provider_mock.app(require_nonce=True, user_claims=people)
    if pkce:
        _insist(app)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


def _insist(app: flask.Flask) -> None:
    from authlib.oauth2.rfc7636 import CodeChallenge
    from oidc_provider_mock._app import AuthorizationCodeGrant

    class InsistentGrant(AuthorizationCodeGrant):
        challenges: ClassVar[dict[str, tuple[str, str]]] = {}

        def save_authorization_code(self, code: str, request: Any) -> None:
            super().save_authorization_code(code, request)
            asked = flask.request.args
            self.challenges[code] = (asked.get("code_challenge", ""), asked.get("code_challenge_method", ""))

        def query_authorization_code(self, code: str, client: Any) -> Any:
            found = super().query_authorization_code(code, client)
            if found is not None:
                challenge, method = self.challenges[code]
                object.__setattr__(found, "code_challenge", challenge)
                object.__setattr__(found, "code_challenge_method", method)
            return found

    with app.test_request_context("/"):
        app.preprocess_request()
        server = flask.g._authlib_authorization_server
    ((grant, extensions),) = server._authorization_grants
    server._authorization_grants.clear()
    server._token_grants[:] = [entry for entry in server._token_grants if entry[0] is not grant]
    server.register_grant(InsistentGrant, [*extensions, CodeChallenge(required=True)])


if __name__ == "__main__":
    serve(int(sys.argv[1]), pkce="pkce" in sys.argv)
