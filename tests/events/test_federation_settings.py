"""An operator's tables of providers, in a file or as JSON, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.settings import BadSetting, load

FILE = """
[federation]
trusted_dashboards = "https://dashboard.example/auth/websso/"

[federation.oidc.acme]
issuer = "https://login.acme.example"
client_id = "cloud"
algorithms = ["ES256"]

[federation.saml.other]
entity_id = "https://other.example/idp"
certificate = "/etc/cumulog/other.pem"
"""


def test_providers_are_tables_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "cumulog.toml").write_text(FILE)
    found = load(tmp_path / "cumulog.toml", {}).federation
    assert (found.oidc["acme"].issuer, found.oidc["acme"].algorithms) == ("https://login.acme.example", ("ES256",))
    assert found.saml["other"].certificate == "/etc/cumulog/other.pem"


def test_a_word_of_the_command_line_or_the_environment_is_json() -> None:
    word = '{"acme": {"issuer": "https://a", "client_id": "c"}}'
    assert load(None, {}, [f"federation.oidc={word}"]).federation.oidc["acme"].client_id == "c"
    assert load(None, {"CUMULOG_FEDERATION_OIDC": word}).federation.oidc["acme"].issuer == "https://a"
    assert load(None, {}, ["gateway.admin_password={x"]).gateway.admin_password == "{x"


@pytest.mark.parametrize(
    "word",
    [
        "{",
        '{"acme": {"issuer": "https://a"}}',
        '{"acme": {"issuer": "https://a", "client_id": "c", "algorithms": ["none"]}}',
        '{"acme": {"issuer": "https://a", "client_id": "c", "algorithms": ["HS256"]}}',
        '{"acme": {"issuer": "https://a", "client_id": "c", "secret": "s"}}',
    ],
)
def test_what_could_not_be_trusted_is_refused_at_the_start(word: str) -> None:
    with pytest.raises(BadSetting):
        load(None, {}, [f"federation.oidc={word}"])
