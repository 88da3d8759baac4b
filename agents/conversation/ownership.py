"""Whose a conversation, a fact or a kept item is: the keys under which one person's things lie apart.

A key begins with its owner, so no name that another chooses leads to it. What the installation kept before it
knew people is the local user's, under the names it had.
"""

from tools.access.identity import LOCAL, Principal

ITEMS, FACTS = "_owned", "_facts"


def owner_prefix(principal: Principal) -> str:
    """What the keys of a person's threads begin with; the ids of threads hold no slash."""
    if (principal.tenant, principal.user) == (LOCAL.tenant, LOCAL.user):
        return ""
    return f"{principal.tenant}/{principal.user}/"


def thread_key(principal: Principal, thread_id: str) -> str:
    """Under what a person's thread is kept, with its checkpoints."""
    return owner_prefix(principal) + thread_id


def thread_id_of(key: str) -> str:
    """What its owner calls the thread of a key."""
    return key.rpartition("/")[2]


def item_namespace(principal: Principal, *labels: str) -> tuple[str, ...]:
    """Where the store keeps a person's items."""
    return (ITEMS, _label(principal.tenant), _label(principal.user), *labels)


def facts_namespace(principal: Principal, about: str | None) -> tuple[str, ...]:
    """Where the store keeps a person's facts; `about` parts them by whom they are about, if given."""
    own = (FACTS, _label(principal.tenant), _label(principal.user))
    return own if about is None else (*own, _label(about))


def effects_label(thread: str) -> str:
    """A thread's key, or a run's id, as a label of the store."""
    return _label(thread)


def _label(text: str) -> str:
    """A label may hold no dots; two texts never become one."""
    return text.replace("%", "%25").replace(".", "%2E")
