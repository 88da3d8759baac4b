"""Sources that live: each is a deployment of flow `ingest` on Prefect's server, which keeps its address, its
schedule and whose it is. It keeps no table of its own.

Names are unique in a tenant. An encrypted block of Prefect's reserves the name and holds the password.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr

from tools.access.identity import Principal
from tools.access.local_files import is_local, named_path
from tools.access.source_address import PORTS, account_of, parse_account
from tools.clients import source_blocks as blocks
from tools.clients.credentials import act_as
from tools.clients.prefect import Prefect, Run
from tools.clients.source_blocks import block_name
from tools.errors import BadRequest, Conflict, NotFound
from tools.schema import CollectionName, JsonObject, Wire

FLOW = "ingest"
TAG = "source"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
EVERY = re.compile(r"([0-9]{1,6})\s*([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)
ACTIVE = ("RUNNING", "PENDING", "CANCELLING")


class NewSource(Wire):
    """What is asked for: an address or an absolute path, where its documents go, how often it is looked at
    (`15m`, `1h`, `7d`; never by itself without), whether what left it is deleted. The password of an address
    that names a user is by itself."""

    address: str = Field(min_length=1, max_length=2_000)
    name: str | None = Field(default=None, max_length=48)
    collection: CollectionName = "capibara6"
    every: str | None = Field(default=None, max_length=20)
    prune: bool = False
    text_field: str = Field(default="", max_length=200)
    password: SecretStr | None = Field(default=None, max_length=1_000)


class Source(BaseModel):
    """A source as it is kept; `every_s` in seconds, `last` its latest run. It holds no password."""

    name: str
    owner: str
    address: str
    collection: str
    every_s: float | None = None
    prune: bool = False
    active: bool = True
    created: str | None = None
    last: Run | None = None


class Sources:
    """The sources that one person may see: their own; for the platform, everybody's (`tenant/name` names one
    of another tenant). Raises `tools.errors`."""

    def __init__(self, prefect: Prefect, caller: Principal) -> None:
        self.prefect, self.caller = prefect, caller

    async def add(self, new: NewSource, *, within: list[str] | None = None) -> tuple[Source, Run]:
        """Keep a source, and look at it for the first time. `within` bounds what it reads of this machine.

        Raises Conflict for a name that is taken, BadRequest."""
        name, account = new.name or name_of(new.address), checked(new)
        if not NAME.fullmatch(name):
            raise BadRequest(f"{name!r} is no name: a-z, 0-9, - and _, at most 48", param="name")
        every = parse_every(new.every) if new.every else None
        model = await self.prefect.deployment(FLOW)
        request = self._request(model, name, new, every, within)
        block = block_name(self.caller.tenant, name)
        try:
            await blocks.reserve(
                self.prefect, block, account, new.password, still=f"{FLOW}/{request['name']}"
            )
        except Conflict as exc:
            raise Conflict(f"there is a source {name!r} already", param="name", source="prefect") from exc
        try:
            await self.prefect.call("POST", "/deployments/", json=request)
        except BaseException:
            await blocks.free(self.prefect, block)
            raise
        return await self.get(name), await self.sync(name)

    async def all(self) -> list[Source]:
        """Sources by name, each with its latest run."""
        owner = {} if self.caller.platform else {"all_": [TAG, owner_tag(self.caller)]}
        chosen = {"tags": owner or {"all_": [TAG]}}
        found = await self.prefect.pages("/deployments/filter", {"deployments": chosen, "sort": "NAME_ASC"})
        latest = await self.prefect.last_runs([item["id"] for item in found])
        return [_source(item, latest.get(item["id"])) for item in found]

    async def get(self, name: str) -> Source:
        """One source. Raises NotFound, also for another's."""
        found = await self._find(name)
        return _source(found, (await self.prefect.last_runs([found["id"]])).get(found["id"]))

    async def sync(self, name: str, parameters: JsonObject | None = None, *, request_id: str = "") -> Run:
        """Look at a source now. Raises Conflict while that is under way."""
        found = await self._find(name)
        if busy := await self._busy(found):
            raise Conflict(f"{name} is being read: run {busy[0]['name']}", param="name", source="prefect")
        environment = _environment(found["job_variables"], request_id)
        where = f"{FLOW}/{found['name']}"
        return await self.prefect.start(where, parameters or {}, environment=environment)

    async def remove(self, name: str, *, documents: bool = False) -> Run | None:
        """Forget a source; with `documents`, what it has brought as well, by the run that is returned."""
        found = await self._find(name)
        for run in await self._busy(found):
            await self.prefect.cancel(run["id"])
        forgetting = None
        if documents:
            parameters = {**found["parameters"], "credential": "", "prune": False, "forget": True}
            tags = [tag for tag in found["tags"] if tag != TAG]
            environment = _environment(found["job_variables"], "")
            forgetting = await self.prefect.start(FLOW, parameters, tags=tags, environment=environment)
        await self.prefect.call("DELETE", f"/deployments/{found['id']}")
        await blocks.free(self.prefect, block_name(*_parts(found["name"])))
        return forgetting

    def _deployment_name(self, name: str) -> tuple[str, str]:
        tenant, mark, own = name.rpartition("/")
        if mark and not self.caller.platform:
            raise NotFound(f"there is no source {name}", source="prefect", param="name")
        return (tenant if mark else self.caller.tenant), own

    async def _find(self, name: str) -> JsonObject:
        tenant, own = self._deployment_name(name)
        missing = NotFound(f"there is no source {name}", source="prefect", param="name")
        if not NAME.fullmatch(own):
            raise missing
        try:
            found = await self.prefect.deployment(f"{FLOW}/{TAG}.{tenant}.{own}")
        except NotFound as exc:
            raise missing from exc
        if not self.caller.platform and owner_tag(self.caller) not in found["tags"]:
            raise missing
        return found

    async def _busy(self, found: JsonObject) -> list[JsonObject]:
        """Its runs that are under way."""
        chosen = {"deployment_id": {"any_": [found["id"]]}, "state": {"type": {"any_": ACTIVE}}}
        request = {"flow_runs": chosen, "limit": 20}
        return await self.prefect.call("POST", "/flow_runs/filter", json=request)

    def _request(
        self,
        model: JsonObject,
        name: str,
        new: NewSource,
        every: timedelta | None,
        within: list[str] | None,
    ) -> JsonObject:
        """Prefect's request for the deployment: like that of `ingest`, for one source and one person."""
        parameters: JsonObject = {"sources": [new.address], "collection": new.collection, "prune": new.prune}
        parameters |= {"text_field": new.text_field} if new.text_field else {}
        parameters |= {"within": within} if within is not None else {}
        parameters |= {"credential": block_name(self.caller.tenant, name)} if new.password else {}
        schedule = {"interval": every.total_seconds(), "timezone": "UTC"} if every else {}
        schedule |= {"anchor_date": datetime.now(UTC).isoformat()} if every else {}
        return {
            **personal(model, self.caller),
            "name": f"{TAG}.{self.caller.tenant}.{name}",
            "description": new.address,
            "tags": [TAG, owner_tag(self.caller)],
            "parameters": parameters,
            "schedules": [{"slug": "every", "active": True, "schedule": schedule}] if every else [],
        }


def personal(model: JsonObject, caller: Principal) -> JsonObject:
    """A deployment like `model` whose runs act for `caller`, one at a time, as Prefect's request to make it.
    Pure."""
    kept = ("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name", "parameter_openapi_schema")
    job = dict(model.get("job_variables") or {})
    if not caller.platform:
        job["env"] = {**job.get("env", {}), "CAPIBARA6_ACT_AS": act_as(caller)}
    return {
        **{key: model[key] for key in kept if model.get(key) is not None},
        "enforce_parameter_schema": True,
        "job_variables": job,
        "concurrency_limit": 1,
        "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
    }


def owner_tag(caller: Principal) -> str:
    """The tag of a person's runs and sources."""
    return f"by:{caller.tenant}/{caller.user}"


def owner_of(tags: Iterable[str]) -> str | None:
    """`tenant/user` of whom `owner_tag` marked; None for the platform's own. Pure."""
    return next((tag.removeprefix("by:") for tag in tags if tag.startswith("by:")), None)


def checked(new: NewSource) -> str:
    """The account whose password a source needs, empty for none. Pure. Raises BadRequest."""
    scheme = urlsplit(new.address).scheme if "://" in new.address else ""
    if scheme in PORTS:
        account = parse_account(new.address)
        if bool(account.user) != bool(new.password and new.password.get_secret_value()):
            why = "a user and a password go together: name the user in the address (imaps://ana@host/INBOX)"
            raise BadRequest(why, param="password")
        if scheme == "imaps" and not account.user:
            raise BadRequest("imaps:// needs a user and a password", param="address")
        return account_of(new.address) if account.user else ""
    if new.password is not None:
        raise BadRequest("only imaps://, webdav:// and webdavs:// take a password", param="password")
    if not scheme:
        if named_path(new.address) is None or not new.address.startswith("/"):
            raise BadRequest("a path is absolute", param="address")
    elif is_local(new.address):
        raise BadRequest(f"{scheme}:// is no kind of source", param="address")
    elif "@" in urlsplit(new.address).netloc:
        raise BadRequest(f"{scheme}:// takes no user", param="address")
    return ""


def parse_every(text: str) -> timedelta:
    """`15m`, `1h`, `7d` as time. Pure. Raises BadRequest."""
    found = EVERY.fullmatch(text.strip().lower())
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not SHORTEST <= span <= LONGEST:
        raise BadRequest(f"{text!r} is no span from 1m to 366d: 15m, 1h, 7d", param="every")
    return span


def name_of(address: str) -> str:
    """A name for a source that was given none: of its host and the end of its path. Pure."""
    parts = urlsplit(address) if "://" in address else urlsplit(f"//{address}")
    words = [parts.hostname or "", parts.path.rstrip("/").rpartition("/")[2]]
    text = re.sub(r"[^a-z0-9]+", "-", "-".join(words if "://" in address else words[1:]).lower())
    return text.strip("-")[:48].strip("-") or TAG


def _environment(job_variables: JsonObject | None, request_id: str) -> dict[str, str]:
    """A run's variables: for whom the source acts, and which request asked."""
    environment = dict((job_variables or {}).get("env") or {})
    return environment | ({"CAPIBARA6_REQUEST_ID": request_id} if request_id else {})


def _parts(deployment: str) -> tuple[str, str]:
    """Tenant and name of a source, from its deployment's name; a source's own name has no dot. Pure."""
    tenant, _, name = deployment.removeprefix(f"{TAG}.").rpartition(".")
    return tenant, name


def _source(body: JsonObject, last: Run | None) -> Source:
    tenant, name = _parts(body["name"])
    parameters = body["parameters"]
    owner = owner_of(body["tags"]) or f"{tenant}/"
    schedules = body["schedules"]
    return Source(
        name=name,
        owner=owner,
        address=parameters["sources"][0],
        collection=parameters["collection"],
        every_s=schedules[0]["schedule"].get("interval") if schedules else None,
        prune=parameters.get("prune", False),
        active=all(item["active"] for item in schedules),
        created=body.get("created"),
        last=last,
    )
