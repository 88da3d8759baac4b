"""The small mail server of the tests, which lets people in by XOAUTH2 alone: the token is the password that
it is started with. Run as a program, with pymap's own arguments."""

import sys
from collections.abc import Sequence

from pymap.config import IMAPConfig
from pymap.main import main
from pysasl import SASLAuth
from pysasl.creds.plain import PlainCredentials
from pysasl.mechanism import ChallengeResponse, ServerMechanism
from pysasl.mechanism.oauth import OAuth2Mechanism


class Token(ServerMechanism):
    """The mechanism as it is spoken, judged as a password is."""

    def __init__(self) -> None:
        super().__init__(b"XOAUTH2")

    def server_attempt(self, responses: Sequence[ChallengeResponse]) -> tuple[PlainCredentials, None]:
        OAuth2Mechanism().server_attempt(responses)  # it refuses what is not in form
        user, shown, *_ = responses[0].response.decode().split("\x01")
        token = shown.removeprefix("auth=Bearer ")
        return PlainCredentials(user.removeprefix("user="), token), None


if __name__ == "__main__":
    IMAPConfig.tls_auth = property(lambda _: SASLAuth([Token()]))  # type: ignore[assignment]
    sys.exit(main())
