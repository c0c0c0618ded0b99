"""Signatures by a key that the authority names. Pure."""

from __future__ import annotations

import base64

from gateway.core.text import shown
from gateway.provenance.evidence import Signer
from gateway.provenance.signatures.authorities import Trusted
from gateway.provenance.signatures.keys import TrustedKey
from gateway.provenance.signatures.material import Material, Question
from gateway.provenance.signatures.proofs import Proofs, check_level, prove, signature_holds
from gateway.provenance.signatures.refusal import RefusedError


def verify_keyed(material: Material, question: Question, trusted: Trusted) -> tuple[Signer, Proofs]:
    """Who signed, and what vouches for it.

    Raises:
        RefusedError: no key of the authority did, or not when it was in force, or what comes with it is wrong.
    """
    if not trusted.keys:
        raise RefusedError("key", "it is signed by a key, and only identities are trusted", "add the signer's key")
    key = _find(material, question, trusted)
    proofs = prove(material, key.public, question, trusted)
    check_level(trusted.settings.levels, proofs.level, keyed=True)
    key.check_valid(proofs.time, question.now)
    return Signer(key=key.id), proofs.ending(key.not_after)


def _find(material: Material, question: Question, trusted: Trusted) -> TrustedKey:
    """The key that made the signature. A bundle's hint says which to try first, no more."""
    hinted = [key for key in trusted.keys if _hint(key) == material.hint]
    refusal: RefusedError | None = None
    for key in sorted(trusted.keys, key=lambda key: _hint(key) != material.hint):
        try:
            if signature_holds(material, key.public, question):
                return key
        except RefusedError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    if hinted:
        reason = f"the signature is wrong for key {hinted[0].id}, which the bundle names"
        hash_name = hinted[0].public.hash
        remedy = "sign again"
        if hash_name:
            remedy += f"; or the signer does not hash by {hash_name}: set the key's hash"
        raise RefusedError("signature", reason, remedy)
    named = f" (the bundle names {shown(material.hint)})" if material.hint else ""
    names = ", ".join(key.id for key in trusted.keys[:4])
    reason = f"none of the trusted keys made the signature{named}; trusted: {names}"
    raise RefusedError("signature", reason, "sign with a trusted key, or add the signer's key")


def _hint(key: TrustedKey) -> str:
    return base64.b64encode(key.public.fingerprint).decode()
