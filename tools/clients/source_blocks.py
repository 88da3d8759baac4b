"""The blocks of sources on Prefect's server, which encrypts them: a block reserves a name, and holds the
password of the account that the source reads. Nobody but a run of the source is given it.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from pydantic import SecretStr

from tools.access.source_address import Credential
from tools.clients.prefect import Prefect
from tools.errors import Conflict, NotFound
from tools.schema import JsonObject

ABANDONED = timedelta(minutes=2)
"""A name that was reserved, and whose source was not made by then, is free."""
BLOCK: JsonObject = {
    "name": "capibara6 source",
    "slug": "capibara6-source",
    "description": "The account of a source that capibara6 ingests.",
}
BLOCK_FIELDS: JsonObject = {
    "title": "Source",
    "type": "object",
    "properties": {
        "account": {"type": "string"},
        "password": {"type": "string", "format": "password", "writeOnly": True},
    },
    "secret_fields": ["password"],
    "block_type_slug": BLOCK["slug"],
}


async def reserve(
    prefect: Prefect, name: str, account: str, password: SecretStr | None, *, still: str
) -> None:
    """Take a name, and keep the password under it; `still` is the deployment that must be there for the name
    to be taken. Raises Conflict."""
    secret = password.get_secret_value() if password else ""
    request = {"name": name, "data": {"account": account, "password": secret}, **await _kind(prefect)}
    try:
        await prefect.call("POST", "/block_documents/", json=request)
    except Conflict:
        if not await _is_abandoned(prefect, name, still):
            raise
        await free(prefect, name)
        await prefect.call("POST", "/block_documents/", json=request)


async def free(prefect: Prefect, name: str) -> None:
    """Forget a name and its password."""
    try:
        found = await prefect.call("GET", _path(name))
        await prefect.call("DELETE", f"/block_documents/{found['id']}")
    except NotFound:
        return


async def read_credential(prefect: Prefect, name: str) -> Credential:
    """The password that a block holds. Raises NotFound when its source was removed."""
    try:
        found = await prefect.call("GET", _path(name), params={"include_secrets": "true"})
    except NotFound as exc:
        raise NotFound("the source's password is not kept any more: add it again", source="prefect") from exc
    return Credential(found["data"]["account"], SecretStr(found["data"]["password"]))


def block_name(tenant: str, name: str) -> str:
    """The block of a source: Prefect takes only small letters, digits and dashes. Pure."""
    return f"source-{hashlib.sha256(json.dumps([tenant, name]).encode()).hexdigest()[:40]}"


async def _kind(prefect: Prefect) -> JsonObject:
    """The ids of the kind of block and of its fields, which are made once."""
    try:
        kind = await prefect.call("POST", "/block_types/", json=BLOCK)
    except Conflict:
        kind = await prefect.call("GET", f"/block_types/slug/{BLOCK['slug']}")
    request = {"fields": BLOCK_FIELDS, "block_type_id": kind["id"], "capabilities": []}
    fields = await prefect.call("POST", "/block_schemas/", json=request)
    return {"block_type_id": kind["id"], "block_schema_id": fields["id"]}


async def _is_abandoned(prefect: Prefect, name: str, deployment: str) -> bool:
    try:
        await prefect.deployment(deployment)
        return False
    except NotFound:
        found = await prefect.call("GET", _path(name))
        return datetime.now(UTC) - datetime.fromisoformat(found["created"]) > ABANDONED


def _path(name: str) -> str:
    return f"/block_types/slug/{BLOCK['slug']}/block_documents/name/{quote(name, safe='')}"
