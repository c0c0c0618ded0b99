"""Ed25519ph, the prehashed form of Ed25519: the adapter of PyNaCl (libsodium), for cryptography has only the other one.

cosign makes attestations so, of which its signatures of images are some. Source: RFC 8032 sections 5.1 and 7.3.
"""

from __future__ import annotations


def verifies_prehashed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key (its 32 bytes) made the signature over the SHA-512 of the message, without a context.

    No signature is right in both forms: what is signed begins differently.
    """
    from nacl import bindings, exceptions  # noqa: PLC0415 - needed by few

    state = bindings.crypto_sign_ed25519ph_state()
    try:
        bindings.crypto_sign_ed25519ph_update(state, message)
        return bool(bindings.crypto_sign_ed25519ph_final_verify(state, signature, public_key))
    except exceptions.CryptoError:  # of a wrong signature, and of one that has not 64 bytes
        return False
