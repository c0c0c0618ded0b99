"""Signatures by a certificate of a Sigstore instance: an identity that the authority expects, vouched for by an issuer.

Everything is verified here, within the windows of the trusted root; what sigstore-python can read at all (a bundle with
one log entry of a kind that it knows, and its proof) must be right in its eyes too.
"""

from __future__ import annotations

from gateway.provenance.evidence import Signer
from gateway.provenance.signatures.authorities import Trusted
from gateway.provenance.signatures.certificates import Leaf
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.material import Material, Question
from gateway.provenance.signatures.proofs import Proofs, check_level, prove, signature_holds
from gateway.provenance.signatures.refusal import RefusedError

_READ_BY_SIGSTORE = ([("dsse", "0.0.1")], [("hashedrekord", "0.0.1")], [("hashedrekord", "0.0.2")])


def verify_keyless(material: Material, question: Question, trusted: Trusted) -> tuple[Signer, Proofs]:
    """Who signed, and what vouches for it.

    Raises:
        RefusedError: somebody else did, or the certificate, the signature or what comes with it is wrong.
    """
    if not trusted.matchers:
        reason = "it is signed by an identity, and only keys are trusted"
        raise RefusedError("identity", reason, "add the signer's identity and issuer")
    leaf = Leaf(material.certificate)
    if not any(matcher.matches(leaf.named) for matcher in trusted.matchers):
        reason = f"the certificate names {leaf.named}, who is not among the trusted identities"
        raise RefusedError("identity", reason, "sign as a trusted identity, or add this one and its issuer")
    if not signature_holds(material, leaf.key, question):
        raise RefusedError("signature", "the signature was not made by the certificate's key", RESIGN)
    proofs = prove(material, leaf.key, question, trusted)
    check_level(trusted.settings.levels, proofs.level, keyed=False)
    if not proofs.times and proofs.level != "none":
        reason = "the log entry proves no time, and there is no time stamp"
        raise RefusedError("timestamp", reason, "sign with a time-stamp authority as well")
    levels = trusted.settings.levels
    unlogged = levels.allow_tsa_only or levels.allow_no_log
    ends = leaf.check_issued(proofs.times or (question.now,), trusted.root, unlogged=unlogged)
    if material.complete and [(entry.kind, entry.version) for entry in material.entries] in _READ_BY_SIGSTORE:
        from gateway.provenance.signatures.sigstore_python import check_with_sigstore  # noqa: PLC0415 - heavy

        check_with_sigstore(material, question, trusted.root)
    return Signer(identity=leaf.named.subject, issuer=leaf.named.issuer), proofs.ending(*ends)
