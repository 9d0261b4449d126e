"""SAML 2: assertions that this cloud makes for its own users, and those of others that it takes.

An assertion is taken once, if it is signed with the certificate that the operator pinned, for this very address.
Source: SAML 2.0 Core, Bindings, Profiles ("Enhanced Client or Proxy"); Identity API reference, "Keystone to Keystone".
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from msgspec import Struct

from events.nats.vault import Vault
from gateway.identity.federation import xml
from gateway.identity.federation.xml import Element, Unreadable, make, one, text

KEY = ("identity", "federation", "saml", "key")  # in the vault
LIFETIME = timedelta(minutes=5)  # of an assertion: as long as it takes to carry it over
LONGEST_ID = 255
YEARS = timedelta(days=3650)  # of the certificate, which others pin

_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_ACTOR = "http://schemas.xmlsoap.org/soap/actor/next"
_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
_ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
_TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


class Signing(Struct, frozen=True):
    """What this cloud signs with."""

    key: str
    certificate: str


class Said(Struct, frozen=True):
    """What an assertion says."""

    id: str
    until: datetime
    attributes: dict[str, list[str]]


class Expected(Struct, frozen=True, kw_only=True):
    """What an assertion must be, to be taken."""

    certificate: str  # of the key that signed it
    issuer: str
    recipient: str
    audience: str
    request: str | None = None  # that it answers; None: it answers none


class Brought(Struct, frozen=True):
    """What a body brings."""

    response: Element
    relay_state: str = ""


async def signing(vault: Vault) -> Signing:
    """The cloud's key and certificate, made when they are first asked for. Raises Unavailable."""
    data = await vault.get(KEY)
    if data is None:
        data = await vault.first(KEY, msgspec.json.encode(await asyncio.to_thread(_new)))
    return msgspec.json.decode(data, type=Signing)


def _new() -> Signing:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cumulog")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + YEARS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Signing(private.decode(), certificate.public_bytes(encoding).decode())


# What this cloud says


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def response(
    signer: Signing, issuer: str, recipient: str, subject: str, told: Mapping[str, Sequence[str]], now: datetime
) -> Element:
    """A response with a signed assertion of a user."""
    until = moment(now + LIFETIME)
    confirmed = make("saml:SubjectConfirmationData", NotOnOrAfter=until, Recipient=recipient)
    attributes = [
        make("saml:Attribute", *(make("saml:AttributeValue", value) for value in values), Name=name)
        for name, values in told.items()
        if values
    ]
    context = make("saml:AuthnContext", make("saml:AuthnContextClassRef", _PASSWORD))
    assertion = make(
        "saml:Assertion",
        make("saml:Issuer", issuer, Format=_ENTITY),
        make(
            "saml:Subject",
            make("saml:NameID", subject),
            make("saml:SubjectConfirmation", confirmed, Method=_BEARER),
        ),
        make("saml:Conditions", NotBefore=moment(now), NotOnOrAfter=until),
        make(
            "saml:AuthnStatement",
            context,
            AuthnInstant=moment(now),
            SessionIndex=uuid4().hex,
            SessionNotOnOrAfter=until,
        ),
        make("saml:AttributeStatement", *attributes),
        ID=f"_{uuid4().hex}",
        IssueInstant=moment(now),
        Version="2.0",
    )
    return make(
        "samlp:Response",
        make("saml:Issuer", issuer, Format=_ENTITY),
        make("samlp:Status", make("samlp:StatusCode", Value=_SUCCESS)),
        xml.signed(assertion, signer.key.encode(), signer.certificate),
        ID=f"_{uuid4().hex}",
        IssueInstant=moment(now),
        Version="2.0",
        Destination=recipient,
    )


def enveloped(answer: Element, relay_state: str) -> Element:
    """A response as an enhanced client carries it over."""
    told = {xml.name("soap:actor"): _ACTOR, xml.name("soap:mustUnderstand"): "1"}
    state = make("ecp:RelayState", relay_state, **told)
    return make("soap:Envelope", make("soap:Header", state), make("soap:Body", answer))


POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
PAOS = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"


def request(id: str, issuer: str, consumer: str, destination: str, binding: str, now: datetime) -> Element:
    """What asks an identity provider to vouch for somebody."""
    asked = make(
        "samlp:AuthnRequest",
        make("saml:Issuer", issuer),
        make("samlp:NameIDPolicy", AllowCreate="true"),
        ID=id,
        IssueInstant=moment(now),
        Version="2.0",
        AssertionConsumerServiceURL=consumer,
        ProtocolBinding=binding,
    )
    if destination:
        asked.set("Destination", destination)
    return asked


def deflated(data: bytes) -> str:
    """A request as it stands in a URL."""
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(data) + packer.flush()).decode()


def asked_by_client(wanted: Element, consumer: str, issuer: str, relay_state: str) -> Element:
    """A request as an enhanced client carries it to the identity provider of its choice."""
    told = {xml.name("soap:actor"): _ACTOR, xml.name("soap:mustUnderstand"): "1"}
    service = xml.SPACES["ecp"]
    header = make(
        "soap:Header",
        make("paos:Request", **told, responseConsumerURL=consumer, service=service),
        make("ecp:Request", make("saml:Issuer", issuer), **told, IsPassive="0"),
        make("ecp:RelayState", relay_state, **told),
    )
    return make("soap:Envelope", header, make("soap:Body", wanted))


def metadata(signer: Signing, entity: str, location: str) -> Element:
    """What others need to know to take this cloud's word."""
    body = "".join(line for line in signer.certificate.splitlines() if "CERTIFICATE" not in line)
    key = make("ds:KeyInfo", make("ds:X509Data", make("ds:X509Certificate", body)))
    descriptor = make(
        "md:IDPSSODescriptor",
        make("md:KeyDescriptor", key, use="signing"),
        make("md:NameIDFormat", _TRANSIENT),
        make("md:SingleSignOnService", Binding="urn:oasis:names:tc:SAML:2.0:bindings:URI", Location=location),
        protocolSupportEnumeration=xml.SPACES["samlp"],
    )
    return make("md:EntityDescriptor", descriptor, entityID=entity)


# What others say


def brought(data: bytes) -> Brought:
    """A response in an envelope, in a form, or as it is. Raises Unreadable."""
    if data.lstrip()[:1] != b"<":
        try:
            form = parse_qs(data.decode("ascii"), max_num_fields=8)
            given = base64.b64decode(form.get("SAMLResponse", [""])[0])
        except ValueError as fault:
            raise Unreadable(f"it is no form: {fault}") from fault
        return Brought(xml.read(given), form.get("RelayState", [""])[0])
    root = xml.read(data)
    if root.tag != xml.name("soap:Envelope"):
        return Brought(root)
    state = root.find("soap:Header/ecp:RelayState", xml.SPACES)
    return Brought(one(root, "soap:Body/samlp:Response"), "" if state is None else text(state))


def said(root: Element, expected: Expected, now: datetime, skew: timedelta) -> Said:
    """What a response says. Raises Unreadable if it proves nothing."""
    certificate, issuer = expected.certificate, expected.issuer
    if root.tag != xml.name("samlp:Response"):
        raise Unreadable("it is no response")
    if one(root, "samlp:Status/samlp:StatusCode").get("Value") != _SUCCESS:
        raise Unreadable("the provider says that it failed")
    if root.find("saml:EncryptedAssertion", xml.SPACES) is not None:
        raise Unreadable("its assertion is encrypted, which this cloud has no key for; it reads those that are signed")
    assertion = one(root, "saml:Assertion")
    if assertion.find("ds:Signature", xml.SPACES) is not None:
        assertion = xml.proven(assertion, certificate)
    else:
        assertion = one(xml.proven(root, certificate), "saml:Assertion")
    if text(one(assertion, "saml:Issuer")) != issuer:
        raise Unreadable("it is another issuer's")
    id = assertion.get("ID", "")
    if not 0 < len(id) <= LONGEST_ID:
        raise Unreadable("it has no id by which it is known again")
    until = _confirmed(assertion, expected, now, skew)
    for conditions in assertion.findall("saml:Conditions", xml.SPACES):
        _hold(conditions, expected.audience, now, skew)
    found: dict[str, list[str]] = {"MELLON_IDP": [issuer], "Shib-Identity-Provider": [issuer]}
    for name in assertion.findall("saml:Subject/saml:NameID", xml.SPACES):
        found["MELLON_NAME_ID"] = found["REMOTE_USER"] = [text(name)]
    for attribute in assertion.findall("saml:AttributeStatement/saml:Attribute", xml.SPACES):
        name = attribute.get("Name", "")
        values = [text(value) for value in attribute.findall("saml:AttributeValue", xml.SPACES)]
        found.setdefault(f"MELLON_{name}", []).extend(values)
        if name not in ("REMOTE_USER", "Shib-Identity-Provider") and not name.startswith("MELLON_"):
            found.setdefault(name, []).extend(values)
    return Said(id=id, until=until + skew, attributes=found)


def _confirmed(assertion: Element, expected: Expected, now: datetime, skew: timedelta) -> datetime:
    """Until when whoever brings it here is its subject."""
    for confirmation in assertion.findall("saml:Subject/saml:SubjectConfirmation", xml.SPACES):
        data = confirmation.find("saml:SubjectConfirmationData", xml.SPACES)
        if confirmation.get("Method") != _BEARER or data is None or data.get("Recipient") != expected.recipient:
            continue
        until = _time(data.get("NotOnOrAfter", ""))
        if until + skew > now and data.get("InResponseTo") == expected.request and _begun(data, now, skew):
            return until
    raise Unreadable("it is for somebody else, or its time has passed")


def _begun(element: Element, now: datetime, skew: timedelta) -> bool:
    begin = element.get("NotBefore")
    return begin is None or _time(begin) - skew <= now


def _hold(conditions: Element, audience: str, now: datetime, skew: timedelta) -> None:
    until = conditions.get("NotOnOrAfter")
    if (until is not None and _time(until) + skew <= now) or not _begun(conditions, now, skew):
        raise Unreadable("it does not hold now")
    for restriction in conditions.findall("saml:AudienceRestriction", xml.SPACES):
        if audience not in [text(one) for one in restriction.findall("saml:Audience", xml.SPACES)]:
            raise Unreadable("it is for another audience")


def _time(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError as fault:
        raise Unreadable(f"{value!r} is no time") from fault
    return at if at.tzinfo else at.replace(tzinfo=UTC)
