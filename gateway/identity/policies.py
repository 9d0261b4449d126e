"""Identity's policy: who may do what with users, projects, grants, and all else that is somebody's.

Sources: the Identity service's policy reference; OpenStack's "Consistent and secure default RBAC" goal.
"""

from __future__ import annotations

from gateway.identity import policies_cloud
from gateway.identity.policies_cloud import ADMIN, READER
from gateway.policy import ANY_SCOPE, CLOUD, EVERY, PROJECT, Rule, rules

_GENERAL = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"


def _inside(role: str) -> str:
    """Who has `role` on a domain in which both the grant's actor and its target are."""
    return " or ".join(
        f"(role:{role} and domain_id:%(target.{actor}.domain_id)s and domain_id:%({target})s)"
        for actor in ("user", "group")
        for target in ("target.project.domain_id", "target.domain.id")
    )


RULES = (
    Rule("admin_required", "role:admin", "admins"),
    Rule("service_role", "role:service", "other services"),
    Rule("service_or_admin", "rule:admin_required or rule:service_role", "admins and other services"),
    Rule("owner", "user_id:%(user_id)s", "the user whose it is"),
    Rule("admin_or_owner", "rule:admin_required or rule:owner", "admins, and the user whose it is"),
    Rule("token_subject", "user_id:%(target.token.user_id)s", "whom a token is of"),
    Rule(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
        "roles that a domain's manager may grant",
    ),
    *policies_cloud.RULES,
    *rules(
        "(role:reader and system_scope:all) or user_id:%(target.user.id)s",
        CLOUD,
        {
            "identity:get_access_rule": "show an access rule",
            "identity:list_access_rules": "list access rules",
        },
    ),
    *rules(
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
        CLOUD,
        {
            "identity:delete_access_rule": "delete an access rule",
        },
    ),
    *rules(
        f"{READER} or rule:owner",
        CLOUD,
        {
            "identity:get_application_credential": "show an application credential",
            "identity:list_application_credentials": "list application credentials",
            "identity:ec2_list_credentials": "list EC2 credentials",
        },
    ),
    *rules(
        "user_id:%(user_id)s",
        PROJECT,
        {
            "identity:create_application_credential": "make an application credential",
        },
    ),
    *rules(
        "rule:admin_or_owner",
        CLOUD,
        {
            "identity:delete_application_credential": "delete an application credential",
        },
    ),
    *rules(
        "",
        ANY_SCOPE,
        {
            "identity:get_auth_catalog": "list the services that a token opens",
            "identity:get_auth_projects": "list the projects that one may ask a token for",
            "identity:get_auth_domains": "list the domains that one may ask a token for",
            "identity:get_auth_system": "say whether one may ask a token for the system",
            "identity:list_projects_for_user": "list the projects of federated users",
            "identity:list_domains_for_user": "list the domains of federated users",
        },
    ),
    *rules(
        f"{READER} or user_id:%(target.credential.user_id)s",
        EVERY,
        {
            "identity:get_credential": "show a credential",
            "identity:list_credentials": "list credentials",
        },
    ),
    *rules(
        f"{ADMIN} or user_id:%(target.credential.user_id)s",
        EVERY,
        {
            "identity:create_credential": "make a credential",
            "identity:update_credential": "change a credential",
            "identity:delete_credential": "delete a credential",
        },
    ),
    *rules(
        (f"{READER} or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s"),
        EVERY,
        {
            "identity:get_domain": "show a domain",
        },
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.domain.id)s)",
        EVERY,
        {
            "identity:list_domains": "list domains",
        },
    ),
    *rules(
        "",
        EVERY,
        {
            "identity:get_security_compliance_domain_config": "show what a domain demands of passwords",
            "identity:get_limit_model": "show how limits are kept",
            "identity:list_limits": "list limits",
            "identity:get_region": "show a region",
            "identity:list_regions": "list regions",
            "identity:get_registered_limit": "show a registered limit",
            "identity:list_registered_limits": "list registered limits",
        },
    ),
    *rules(
        f"{READER} or user_id:%(target.credential.user_id)s",
        CLOUD,
        {
            "identity:ec2_get_credential": "show an EC2 credential",
        },
    ),
    *rules(
        f"{ADMIN} or (role:member and user_id:%(target.credential.user_id)s)",
        CLOUD,
        {
            "identity:ec2_create_credential": "make an EC2 credential",
            "identity:ec2_delete_credential": "delete an EC2 credential",
        },
    ),
    *rules(
        f"{READER} or ({_inside('reader')}) and {_GENERAL}",
        EVERY,
        {"identity:check_grant": "ask whether a role is granted"},
    ),
    *rules(f"{READER} or {_inside('reader')}", EVERY, {"identity:list_grants": "list the roles that are granted"}),
    *rules(
        f"{ADMIN} or ({_inside('admin')}) and {_GENERAL} or ({_inside('manager')}) and rule:domain_managed_target_role",
        EVERY,
        {"identity:create_grant": "grant a role", "identity:revoke_grant": "take a role back"},
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.group.domain_id)s)",
        EVERY,
        {
            "identity:get_group": "show a group",
            "identity:list_groups": "list groups",
            "identity:list_users_in_group": "list the users in a group",
        },
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
        EVERY,
        {
            "identity:list_groups_for_user": "list the groups of a user",
        },
    ),
    *rules(
        f"{ADMIN} or (role:manager and domain_id:%(target.group.domain_id)s)",
        EVERY,
        {
            "identity:create_group": "make a group",
            "identity:update_group": "change a group",
            "identity:delete_group": "delete a group",
        },
    ),
    *rules(
        (f"{ADMIN} or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"),
        EVERY,
        {
            "identity:remove_user_from_group": "take a user out of a group",
            "identity:add_user_to_group": "put a user into a group",
        },
    ),
    *rules(
        (f"{READER} or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"),
        EVERY,
        {
            "identity:check_user_in_group": "ask whether a user is in a group",
        },
    ),
    *rules(
        (
            f"{READER} or (domain_id:%(target.limit.domain.id)s or "
            "domain_id:%(target.limit.project.domain_id)s) or "
            "(project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)"
        ),
        EVERY,
        {
            "identity:get_limit": "show a limit",
        },
    ),
    *rules(
        (
            f"{READER} or "
            "(role:reader and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or "
            "project_id:%(target.project.id)s"
        ),
        EVERY,
        {
            "identity:get_project": "show a project",
            "identity:list_project_tags": "list project tags",
            "identity:get_project_tag": "show a project tag",
        },
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.domain_id)s)",
        EVERY,
        {
            "identity:list_projects": "list projects",
            "identity:list_users": "list users",
        },
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
        EVERY,
        {
            "identity:list_user_projects": "list the projects of a user",
        },
    ),
    *rules(
        (
            f"{ADMIN} or "
            "(role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)"
        ),
        EVERY,
        {
            "identity:create_project": "make a project",
            "identity:update_project": "change a project",
            "identity:delete_project": "delete a project",
            "identity:update_project_tags": "change project tags",
            "identity:create_project_tag": "make a project tag",
            "identity:delete_project_tags": "delete project tags",
            "identity:delete_project_tag": "delete a project tag",
        },
    ),
    *rules(
        "rule:service_or_admin",
        CLOUD,
        {
            "identity:list_revoke_events": "list revocations",
            "identity:revocation_list": "list revoked tokens",
        },
    ),
    *rules(
        f"{READER} or (role:manager and rule:domain_managed_target_role)",
        EVERY,
        {
            "identity:get_role": "show a role",
        },
    ),
    *rules(
        f"{READER} or (role:manager and not domain_id:None)",
        EVERY,
        {
            "identity:list_roles": "list roles",
        },
    ),
    *rules(
        f"{READER} or (role:reader and domain_id:%(target.domain_id)s and not None:%(target.domain_id)s)",
        EVERY,
        {
            "identity:list_role_assignments": "list role assignments",
            "identity:list_role_assignments_for_tree": "list role assignments on a project and those below it",
        },
    ),
    *rules(
        "rule:service_or_admin",
        EVERY,
        {
            "identity:s3tokens_validate": "check a signature of S3",
            "identity:ec2tokens_validate": "check a signature of EC2",
        },
    ),
    *rules(
        f"{READER} or rule:token_subject",
        EVERY,
        {
            "identity:check_token": "ask whether a token is valid",
        },
    ),
    *rules(
        f"{READER} or rule:service_role or rule:token_subject",
        EVERY,
        {
            "identity:validate_token": "see what a token says",
        },
    ),
    *rules(
        f"{ADMIN} or rule:token_subject",
        EVERY,
        {
            "identity:revoke_token": "revoke a token",
        },
    ),
    *rules(
        "user_id:%(target.trust.trustor_user_id)s",
        PROJECT,
        {
            "identity:create_trust": "make a trust",
        },
    ),
    *rules(
        (f"{ADMIN} or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s)"),
        CLOUD,
        {
            "identity:list_trusts_for_trustor": "list trusts for a trustor",
        },
    ),
    *rules(
        (f"{ADMIN} or (role:reader and system_scope:all or user_id:%(target.trust.trustee_user_id)s)"),
        CLOUD,
        {
            "identity:list_trusts_for_trustee": "list trusts for a trustee",
        },
    ),
    *rules(
        (
            f"{ADMIN} or (role:reader and system_scope:all or "
            "user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)"
        ),
        CLOUD,
        {
            "identity:list_roles_for_trust": "list roles for a trust",
            "identity:get_role_for_trust": "show a role for a trust",
            "identity:get_trust": "show a trust",
        },
    ),
    *rules(
        f"{ADMIN} or user_id:%(target.trust.trustor_user_id)s",
        CLOUD,
        {
            "identity:delete_trust": "delete a trust",
        },
    ),
    *rules(
        (f"{READER} or (role:reader and token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s"),
        EVERY,
        {
            "identity:get_user": "show a user",
        },
    ),
    *rules(
        f"{ADMIN} or (role:manager and token.domain.id:%(target.user.domain_id)s)",
        EVERY,
        {
            "identity:create_user": "make a user",
            "identity:update_user": "change a user",
            "identity:delete_user": "delete a user",
        },
    ),
    *rules(
        "rule:admin_or_owner",
        EVERY,
        {
            "identity:revoke_tokens_for_user": "revoke all tokens of a user",
        },
    ),
)
