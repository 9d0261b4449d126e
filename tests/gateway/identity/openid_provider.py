"""A real OpenID provider, of Authlib's: discovery, keys that change, a login form, codes with PKCE, passwords."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask
import httpx
import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core import AuthorizationCodeMixin, UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "cumulog", "client-secret-of-acme"
PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {"password": "ann's own", "email": "ann@acme.example", "groups": ["staff", "admins"]},
    "bob": {"password": "bob's own", "email": "bob@acme.example", "groups": ["guests"]},
}


class Person:
    def __init__(self, name: str) -> None:
        self.name = name

    def get_user_id(self) -> str:
        return self.name

    @property
    def told(self) -> dict[str, Any]:
        return {name: value for name, value in PEOPLE[self.name].items() if name != "password"}


class Client(ClientMixin):
    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.endswith("/websso/callback")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(SECRET, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


class Code(AuthorizationCodeMixin):
    def __init__(self, code: str, request: Any) -> None:
        data = request.payload.data
        self.code, self.user, self.scope = code, request.user, request.payload.scope
        self.redirect_uri, self.nonce = request.payload.redirect_uri, data.get("nonce")
        self.code_challenge, self.code_challenge_method = data.get("code_challenge"), data.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return str(self.redirect_uri)

    def get_scope(self) -> str:
        return str(self.scope)

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class OpenIdProvider:
    """One provider, on a port of its own."""

    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, dict[str, Any]] = {}  # opaque ones
        self.opaque = False
        self.asked: list[str] = []  # paths
        self.issuer = ""
        self.keys: list[RSAKey] = []
        self.rotate()

    def rotate(self) -> None:
        """Another key signs from now on; the former is published no more."""
        kid = secrets.token_hex(4)
        self.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True)]

    def key_set(self) -> KeySet:
        return KeySet(list(self.keys))

    def token(self, name: str) -> str:
        """An access token, as the provider gives it to who knows the password."""
        form = {"grant_type": "password", "username": name, "password": PEOPLE[name]["password"], "scope": "openid"}
        answer = httpx.post(f"{self.issuer}/token", data=form, auth=(CLIENT, SECRET))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def app(self) -> flask.Flask:
        provider = self

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

            def save_authorization_code(self, code: str, request: Any) -> None:
                provider.codes[code] = Code(code, request)

            def query_authorization_code(self, code: str, client: Client) -> Code | None:
                return provider.codes.get(code)

            def delete_authorization_code(self, authorization_code: Code) -> None:
                provider.codes.pop(authorization_code.code, None)

            def authenticate_user(self, authorization_code: Code) -> Any:
                return authorization_code.user

        class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

            def authenticate_user(self, username: str, password: str) -> Person | None:
                return person(username, password)

        class ClientGrant(grants.ClientCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

        class OpenId(OpenIDCode):
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return any(code.nonce == nonce for code in provider.codes.values())

            def get_client_algorithm(self, client: Client) -> str:
                return "RS256"

            def get_encode_header(self, client: Client) -> dict[str, Any]:
                return {"alg": "RS256", "kid": provider.keys[0].kid}

            def get_client_claims(self, client: Client) -> dict[str, Any]:
                return {}

            def get_compatible_claims(self, request: Any) -> dict[str, Any]:
                now = int(time.time())
                return {"iss": provider.issuer, "aud": [CLIENT], "iat": now, "exp": now + 300}

            def resolve_client_private_key(self, client: Client) -> Any:
                return provider.key_set()

            def generate_user_info(self, user: Person, scope: str) -> UserInfo:
                return UserInfo(sub=user.name, **user.told)

        class Generator(JWTBearerTokenGenerator):
            def get_jwks(self) -> Any:
                return provider.key_set()

            def get_extra_claims(self, client: Any, grant_type: str, user: Any, scope: str) -> dict[str, Any]:
                return dict(user.told) if user else {}

        class Introspection(IntrospectionEndpoint):
            CLIENT_AUTH_METHODS = ["client_secret_basic"]

            def query_token(self, token_string: str, token_type_hint: Any) -> Any:
                return Opaque(provider.tokens[token_string]) if token_string in provider.tokens else None

            def check_permission(self, token: Any, client: Any, request: Any) -> bool:
                return True

            def introspect_token(self, token: Any) -> dict[str, Any]:
                return {**token.said, "iss": provider.issuer, "exp": int(time.time()) + 60, "aud": CLIENT}

        app = flask.Flask("openid-provider")

        def save(token: dict[str, Any], request: Any) -> None:
            who = request.user.name if request.user else CLIENT
            told = request.user.told if request.user else {}
            provider.tokens[token["access_token"]] = {"sub": who, "client_id": CLIENT, **told}

        server = AuthorizationServer(app, query_client=lambda id: Client() if id == CLIENT else None, save_token=save)
        server.register_grant(CodeGrant, [CodeChallenge(required=True), OpenId(require_nonce=True)])
        server.register_grant(PasswordGrant)
        server.register_grant(ClientGrant)
        server.register_endpoint(Introspection)
        signed, opaque = Generator(self.issuer), BearerTokenGenerator(lambda **_: secrets.token_urlsafe(24))

        def generate(**how: Any) -> Any:
            return (opaque if provider.opaque else signed)(**how)

        server.register_token_generator("default", generate)

        @app.before_request
        def note() -> None:
            provider.asked.append(flask.request.path)

        @app.get("/.well-known/openid-configuration")
        def discovery() -> Any:
            names = ("authorization", "token", "introspection", "userinfo")
            return {
                "issuer": provider.issuer,
                "jwks_uri": f"{provider.issuer}/jwks",
                "response_types_supported": ["code"],
                **{f"{name}_endpoint": f"{provider.issuer}/{name}" for name in names},
            }

        @app.get("/jwks")
        def jwks() -> Any:
            return provider.key_set().as_dict(private=False)

        @app.route("/authorization", methods=["GET", "POST"])
        def authorization() -> Any:
            grant = server.get_consent_grant(end_user=None)
            if flask.request.method == "GET":
                return '<form method="post"><input name="username"><input name="password" type="password"></form>'
            who = person(flask.request.form["username"], flask.request.form["password"])
            return server.create_authorization_response(grant=grant, grant_user=who)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response()

        @app.post("/introspection")
        def introspection() -> Any:
            return server.create_endpoint_response("introspection")

        @app.get("/userinfo")
        def userinfo() -> Any:
            said = provider.tokens.get(flask.request.headers.get("authorization", "").removeprefix("Bearer "))
            return said or ("", 401)

        return app


class Opaque:
    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


def person(name: str, password: str) -> Person | None:
    return Person(name) if name in PEOPLE and secrets.compare_digest(PEOPLE[name]["password"], password) else None


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """A provider that answers over HTTP."""
    provider = OpenIdProvider()
    http = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
    provider.issuer = f"http://127.0.0.1:{http.server_port}"
    app = provider.app()
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # it speaks plain HTTP
            yield provider
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
