"""The adapter of sigstore-python: a second opinion on complete bundles by certificate. None of its exceptions leaves here.

Importing it takes a third of a second and much memory, so this module is imported when a bundle needs it, or by
:func:`gateway.provenance.signatures.prepare` beforehand.
"""

from __future__ import annotations

import functools
import logging

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sigstore.errors import VerificationError
from sigstore.hashes import Hashed
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as SigstoreRoot
from sigstore.verify import Verifier
from sigstore_models.common.v1 import HashAlgorithm
from sigstore_models.trustroot.v1 import TrustedRoot as RootModel

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.material import Material, Question
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import TrustedRoot

logging.getLogger("sigstore").addHandler(logging.NullHandler())  # what it says goes into refusals, not to stderr
_HASHES = {"sha256": HashAlgorithm.SHA2_256, "sha512": HashAlgorithm.SHA2_512}


class _SameCertificate:
    """A policy of sigstore-python: the certificate is the one whose identity was compared already."""

    def __init__(self, der: bytes) -> None:
        self._der = der

    def verify(self, cert: x509.Certificate) -> None:
        """Refuse any other certificate."""
        if cert.public_bytes(serialization.Encoding.DER) != self._der:
            raise VerificationError("another certificate than the one that was judged")


def check_with_sigstore(material: Material, question: Question, root: TrustedRoot) -> None:
    """Refuse what sigstore-python refuses.

    Raises:
        RefusedError: at the step ``sigstore``, with what it said.
    """
    try:
        _check(material, question, _verifier(root.raw))
    except Exception as error:  # noqa: BLE001 - besides its own it raises those of pydantic, cryptography and others
        said = shown(" ".join(str(error).split())) or type(error).__name__
        raise RefusedError("sigstore", f"sigstore refuses the bundle: {said}", RESIGN) from None


def _check(material: Material, question: Question, verifier: Verifier) -> None:
    bundle, policy = Bundle.from_json(material.raw), _SameCertificate(material.certificate)
    if material.content == "dsse":
        _, payload = verifier.verify_dsse(bundle, policy)
        if payload != material.payload:
            raise VerificationError("another payload than the one that was judged")
        return
    algorithm, _, value = question.artifact.digest.partition(":")
    hashed = Hashed(algorithm=_HASHES[algorithm], digest=bytes.fromhex(value))
    verifier.verify_artifact(hashed if question.content is None else question.content, bundle, policy)


@functools.lru_cache(maxsize=16)
def _verifier(root: bytes) -> Verifier:
    """For a root as JSON. Names of authorities say nothing, and its model demands more of them than the format does."""
    document = msgspec.json.decode(root)
    for authority in document.get("certificateAuthorities", []) + document.get("timestampAuthorities", []):
        authority["subject"] = {"organization": "", "commonName": ""}
    return Verifier(trusted_root=SigstoreRoot(RootModel.from_json(msgspec.json.encode(document))))
