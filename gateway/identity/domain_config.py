"""Domain configuration over HTTP: kept and shown, and read by nothing here, for all users are this cloud's own.

Source: Identity API reference, "Domain configuration".
"""

from __future__ import annotations

from typing import Any, TypeVar

from events.identity import domain as domains
from events.identity import domain_config as configs
from events.identity import missing
from events.identity.domain_config import DomainConfig, DomainConfigChanged, DomainConfigMade, Options
from events.identity.record import Change, Make
from events.ids import new_hex
from events.refusals import Forbidden, NotFound
from gateway.identity import cleaning, shapes
from gateway.serving import Answer, Call

# Every option that may be set, with what holds where it is not.
T = TypeVar("T")

DEFAULTS: Options = {
    "identity": {"driver": "sql", "list_limit": None},
    "ldap": {
        "url": "ldap://localhost",
        "user": None,
        "suffix": "cn=example,cn=com",
        "query_scope": "one",
        "page_size": 0,
        "alias_dereferencing": "default",
        "debug_level": None,
        "chase_referrals": None,
        "user_tree_dn": None,
        "user_filter": None,
        "user_objectclass": "inetOrgPerson",
        "user_id_attribute": "cn",
        "user_name_attribute": "sn",
        "user_mail_attribute": "mail",
        "user_description_attribute": "description",
        "user_pass_attribute": "userPassword",
        "user_enabled_attribute": "enabled",
        "user_enabled_invert": False,
        "user_enabled_mask": 0,
        "user_enabled_default": "True",
        "user_attribute_ignore": ["default_project_id"],
        "user_default_project_id_attribute": None,
        "user_enabled_emulation": False,
        "user_enabled_emulation_dn": None,
        "user_enabled_emulation_use_group_config": False,
        "user_additional_attribute_mapping": [],
        "group_tree_dn": None,
        "group_filter": None,
        "group_objectclass": "groupOfNames",
        "group_id_attribute": "cn",
        "group_name_attribute": "ou",
        "group_members_are_ids": False,
        "group_member_attribute": "member",
        "group_desc_attribute": "description",
        "group_attribute_ignore": [],
        "group_additional_attribute_mapping": [],
        "tls_cacertfile": None,
        "tls_cacertdir": None,
        "use_tls": False,
        "tls_req_cert": "demand",
        "use_pool": True,
        "pool_size": 10,
        "pool_retry_max": 3,
        "pool_retry_delay": 0.1,
        "pool_connection_timeout": -1,
        "pool_connection_lifetime": 600,
        "use_auth_pool": True,
        "auth_pool_size": 100,
        "auth_pool_connection_lifetime": 60,
    },
}
SECRET: dict[str, tuple[str, ...]] = {"ldap": ("password",)}
COMPLIANCE = ("password_regex", "password_regex_description")


def _refused(why: str) -> Forbidden:
    return Forbidden(f"Invalid domain specific configuration: {why}.")


def _known(group: str | None, option: str | None) -> None:
    """Raises Forbidden if there is no such option."""
    if group is not None and group not in DEFAULTS:
        raise _refused(f"Group {group} is not supported for domain specific configurations")
    if group is not None and option is not None and option not in (*DEFAULTS[group], *SECRET.get(group, ())):
        raise _refused(f"Option {option} in group {group} is not supported for domain specific configurations")


def _asked(call: Call) -> tuple[str | None, str | None]:
    """The group and the option of the path."""
    return call.path.get("group"), call.path.get("option")


def _missing(id: str, group: str | None, option: str | None) -> NotFound:
    what = "any options" if group is None else f"group {group}"
    if option is not None:
        what = f"option {option} in group {group}"
    return NotFound(f"Could not find {what} in domain configuration for domain {id}.")


def _domain(call: Call) -> str:
    id = call.path["id"]
    return call.find(domains, id, missing("domain", id)).id


def _part(options: Options, group: str | None, option: str | None) -> dict[str, Any]:
    """What is asked for of a configuration; nothing if it is not there."""
    if group is None:
        return options
    of_group = options.get(group, {})
    if option is None:
        return {group: of_group} if of_group else {}
    return {option: of_group[option]} if option in of_group else {}


async def show_default(call: Call) -> dict[str, Any]:
    """What holds where nothing is configured. Raises Forbidden if there is no such option."""
    group, option = _asked(call)
    _known(group, option)
    if option in SECRET.get(group or "", ()):
        raise _refused(f"Reading the default for option {option} in group {group} is not supported")
    return {"config": _part(DEFAULTS, group, option)}


async def show(call: Call) -> dict[str, Any]:
    """What is configured, without what is secret. Raises NotFound, Forbidden."""
    id, (group, option) = call.path["id"], _asked(call)
    _known(group, option)
    config = call.fold.get(configs, id)
    found = _part(config.options, group, option) if config else {}
    if not found:
        raise _missing(id, group, option)
    return {"config": found}


async def show_compliance(call: Call) -> dict[str, Any]:
    """What passwords must be like, for anybody who has a token. Raises NotFound, Forbidden."""
    _, option = _asked(call)
    if _domain(call) != "default":
        raise _refused(
            "Reading security compliance information for any domain other than the default domain is not allowed or "
            "supported."
        )
    if option not in (None, *COMPLIANCE):
        raise _refused(
            "Reading security compliance values other than password_regex and password_regex_description is not "
            "allowed."
        )
    settings = call.cloud.settings.identity
    values = {name: getattr(settings, name) or None for name in COMPLIANCE}
    return {"config": {option: values[option]} if option else {"security_compliance": values}}


def _given(body: Any, group: str | None, option: str | None) -> Options:
    """The options of a body, by group. Raises Invalid, Forbidden."""
    given = shapes.inner(body, "config")
    shapes.check("config", given, {})  # no more than can be kept
    options: Options = {group: given} if group is not None and option is not None else given
    if not options:
        raise _refused("No options specified")
    for name, values in options.items():
        if not values or not isinstance(values, dict):
            raise _refused(f"The value of group {name} specified in the config should be a dictionary of options")
        for each in values:
            _known(name, each)
    _known(group, option)
    if group is not None:
        _alone("group", group, f"group {group}", list(options))
    if group is not None and option is not None:
        _alone("option", option, f"option {option} in group {group}", list(options[group]))
    return options


def _alone(kind: str, name: str, what: str, given: list[str]) -> None:
    """Raises Forbidden unless nothing else is given than what the path names."""
    if len(given) != 1:
        raise _refused(f"Trying to update {what}, so that, and only that, {kind} must be specified in the config")
    if given[0] != name:
        other = (
            f"request to update group {name}, but config provided contains group {given[0]} instead"
            if kind == "group"
            else f"Trying to update {what}, but config provided contains option {given[0]} instead"
        )
        raise _refused(other)


async def _store(call: Call, id: str, options: Options) -> tuple[Options, dict[str, dict[str, str]]]:
    """What may stand in the journal, and the names of the secrets that were put in the vault."""
    plain: Options = {}
    names: dict[str, dict[str, str]] = {}
    for group, values in options.items():
        for option, value in values.items():
            if option in SECRET.get(group, ()):
                name = new_hex()
                await call.cloud.vault.put(cleaning.config_secret(id, name), str(value).encode("utf-8", "replace"))
                names.setdefault(group, {})[option] = name
            else:
                plain.setdefault(group, {})[option] = value
    return plain, names


async def create(call: Call, body: Any) -> Answer:
    """Configure a domain, in place of what was configured. Raises NotFound, Invalid, Forbidden."""
    id, given = _domain(call), _given(body, None, None)
    before = call.fold.get(configs, id)
    state = await _put(call, id, before, *await _store(call, id, given))
    return Answer(status=201 if before is None else 200, body={"config": state.options})


async def _put(
    call: Call, id: str, before: DomainConfig | None, options: Options, secrets: dict[str, dict[str, str]]
) -> DomainConfig:
    """The configuration, new or with other options; secrets that it has no more are forgotten."""
    if before is None:
        made = DomainConfigMade(id=id, options=options, secrets=secrets)
        return await call.do(configs, Make(id=id, made=made))
    after = await call.do(configs, Change(id=id, to=DomainConfigChanged(options=options, secrets=secrets)))
    await cleaning.forget(call, before, but=after)
    return after


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Change what is configured, or what is there of one group or option. Raises NotFound, Invalid, Forbidden."""
    id, (group, option) = _domain(call), _asked(call)
    given = _given(body, group, option)
    before = call.fold.get(configs, id)
    if group is not None and (before is None or not _has(before, group, option)):
        raise _missing(id, group, option)
    options, secrets = await _store(call, id, given)
    if before is not None:
        options, secrets = _merged(before.options, options), _merged(before.secrets, secrets)
    return {"config": (await _put(call, id, before, options, secrets)).options}


def _merged(before: dict[str, dict[str, T]], given: dict[str, dict[str, T]]) -> dict[str, dict[str, T]]:
    return {group: {**before.get(group, {}), **given.get(group, {})} for group in {**before, **given}}


def _has(config: DomainConfig, group: str, option: str | None) -> bool:
    names = {*config.options.get(group, {}), *config.secrets.get(group, {})}
    return bool(names) if option is None else option in names


async def delete(call: Call) -> None:
    """Delete what is configured, or one group or option of it. Raises NotFound, Forbidden."""
    id, (group, option) = _domain(call), _asked(call)
    _known(group, option)
    before = call.fold.get(configs, id)
    if group is not None and (before is None or not _has(before, group, option)):
        raise _missing(id, group, option)
    if before is None:
        return
    options, secrets = _without(before.options, group, option), _without(before.secrets, group, option)
    if options or secrets:
        await _put(call, id, before, options, secrets)
    else:
        await cleaning.delete_config(call, before)


def _without(parts: dict[str, dict[str, Any]], group: str | None, option: str | None) -> dict[str, dict[str, Any]]:
    if group is None:
        return {}
    rest = {name: value for name, value in parts.get(group, {}).items() if option is not None and name != option}
    return {**{name: values for name, values in parts.items() if name != group}, **({group: rest} if rest else {})}
