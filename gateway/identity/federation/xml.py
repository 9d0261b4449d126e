"""XML of SAML: written with its namespaces, read without entities, and signed by the letter.

Source: XML Signature; SAML 2.0 Core, section 5; OWASP's "SAML Security".
"""

from __future__ import annotations

from typing import Any

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidInput, InvalidSignature
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

Element = Any  # of lxml, which tells no types

SPACES = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "soap": "http://schemas.xmlsoap.org/soap/envelope/",
    "paos": "urn:liberty:paos:2003-08",
    "ecp": "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp",
}
EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
PROOFS = SignatureConfiguration(
    location="./",
    signature_methods=frozenset(
        method
        for method in SignatureMethod
        if method.name.startswith(("RSA_SHA", "ECDSA_SHA")) and "SHA1" not in method.name
    ),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}),
)


class Unreadable(Exception):
    """It is no XML that is read here, or its signature does not hold."""


def name(short: str) -> str:
    """`saml:Issuer` as lxml writes it."""
    space, _, local = short.partition(":")
    return f"{{{SPACES[space]}}}{local}"


def make(short: str, *inside: Element | str, **attributes: str) -> Element:
    """An element with a text or elements inside."""
    element = etree.Element(name(short), attributes, nsmap=SPACES)
    for one in inside:
        if isinstance(one, str):
            element.text = one
        else:
            element.append(one)
    return element


def written(element: Element) -> bytes:
    etree.cleanup_namespaces(element)
    found: bytes = etree.tostring(element, xml_declaration=True, encoding="UTF-8")
    return found


def read(data: bytes) -> Element:
    """Raises Unreadable."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as fault:
        raise Unreadable(f"it is no XML: {fault}") from fault
    if root.getroottree().docinfo.doctype:
        raise Unreadable("it has a document type")
    return root


def one(element: Element, path: str) -> Element:
    """The one element at a path. Raises Unreadable if there is none, or several."""
    found = element.findall(path, SPACES)
    if len(found) != 1:
        raise Unreadable(f"it has {len(found)} of {path}")
    return found[0]


def text(element: Element) -> str:
    """What stands in an element, from its first letter to its last."""
    return "".join(element.itertext()).strip()


def signed(element: Element, key: bytes, certificate: str) -> Element:
    """An element that has an ID, with an enveloped signature after its issuer."""
    place = make("ds:Signature", Id="placeholder")
    element.insert(1, place)
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=EXCLUSIVE,
    )
    return signer.sign(element, key=key, cert=certificate, reference_uri=f"#{element.get('ID')}", id_attribute="ID")


def proven(element: Element, certificate: str) -> Element:
    """What the signature within an element covers, as it was signed; that must be the element itself.

    Whoever reads on reads this, and nothing else of what came. Raises Unreadable.
    """
    try:
        result = XMLVerifier().verify(element, x509_cert=certificate, id_attribute="ID", expect_config=PROOFS)
    except (InvalidInput, InvalidSignature, ValueError, etree.LxmlError) as fault:
        raise Unreadable(f"the signature does not hold: {fault}") from fault
    except Exception as fault:  # of whichever library lies below: nothing is proved
        raise Unreadable(f"the signature cannot be checked: {fault}") from fault
    assert isinstance(result, VerifyResult), "one signature was asked for"
    covered = result.signed_xml
    if covered is None or covered.tag != element.tag or covered.get("ID") != element.get("ID"):
        raise Unreadable("the signature covers something else")
    return covered
