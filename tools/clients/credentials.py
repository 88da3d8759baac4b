"""What a client shows at a door: whom the present task acts for, in a signed token, or the platform's key;
and which request it serves."""

from tools import trace
from tools.access.identity import SCOPES, Principal, current
from tools.settings import Settings

PLATFORM = "platform"


class Credentials:
    """Signs each request for the principal of its context; without one, for whom `settings.act_as` names.

    A service that serves somebody and forgot to say whom sends nothing, and is refused."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.own = principal_of(settings.act_as)
        self.trace = trace.Trace(settings.request_id.encode()) if settings.request_id else None

    def headers(self) -> dict[str, str]:
        """`authorization`, `x-request-id` and `traceparent` of a request that is made now."""
        token, served = self.token(), trace.current() or self.trace
        shown = {name.decode(): value.decode() for name, value in served.headers()} if served else {}
        return {**shown, "authorization": f"Bearer {token}"} if token else shown

    def token(self) -> str:
        """The bearer token of a request that is made now; empty where nothing is to be shown."""
        principal = current() or self.own
        if principal is not None:
            return self.settings.signer.sign(principal)
        key = self.settings.api_key
        return key.get_secret_value() if key and self.settings.act_as == PLATFORM else ""


def act_as(person: Principal) -> str:
    """A person as `settings.act_as` names them; `principal_of` reads it. Pure."""
    return f"{person.tenant}/{person.user}/{person.role}"


def principal_of(act_as: str | None) -> Principal | None:
    """The person of `tenant/user/role`; None for nobody, or for the platform. Raises ValueError."""
    if act_as is None or act_as == PLATFORM:
        return None
    tenant, user, role = act_as.split("/")
    if role not in SCOPES:
        raise ValueError(f"act_as: {role} is no role")
    return Principal(tenant, user, role, SCOPES[role], "flow")
