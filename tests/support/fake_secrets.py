"""Made-up credentials of every format that the detector knows, with right checksums: none was ever issued.

Deterministic: a value is a function of its kind and a seed.
"""

from __future__ import annotations

import base64
import json
import random
import string
import zlib
from collections.abc import Callable
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE64URL = string.ascii_letters + string.digits + "-_"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

Make = Callable[[random.Random], str]


def make(kind: str, seed: str) -> str:
    """A value of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    made = KINDS.get(kind) or DOCUMENTED[kind]
    return made(random.Random(f"{kind} {seed}"))  # noqa: S311 - made up, and the same each time


def _some(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def _from(alphabet: str, length: int, before: str = "", after: str = "") -> Make:
    return lambda rng: before + _some(rng, alphabet, length) + after


def _bytes(length: int, before: bytes = b"") -> Make:
    return lambda rng: base64.b64encode(before + rng.randbytes(length)).decode()


def _password(rng: random.Random) -> str:
    """Twenty characters of four classes, none of which a URL or a shell would have to quote."""
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.")
    drawn = [rng.choice(one) for one in classes] + [rng.choice("".join(classes[:3])) for _ in range(16)]
    rng.shuffle(drawn)
    return "a" + "".join(drawn)


def base62(number: int, length: int) -> str:
    """A number in base 62, with zeros before it."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(length, "0")


def _with_crc(prefix: str) -> Make:
    def token(rng: random.Random) -> str:
        body = _some(rng, BASE62, 30)
        return prefix + body + base62(zlib.crc32(body.encode()), 6)

    return token


def _grafana(rng: random.Random) -> str:
    body = "glsa_" + _some(rng, BASE62, 32)
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def _jwt(rng: random.Random) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    header = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = part(json.dumps({"sub": str(rng.randrange(10**9)), "exp": 1_900_000_000}).encode())
    return f"{header}.{claims}.{part(rng.randbytes(32))}"


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def _age(rng: random.Random) -> str:
    prefix = "age-secret-key-"
    bits = "".join(f"{byte:08b}" for byte in rng.randbytes(32)).ljust(260, "0")
    data = [int(bits[at : at + 5], 2) for at in range(0, 260, 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = _polymod([*expanded, *data, 0, 0, 0, 0, 0, 0]) ^ 1
    words = data + [check >> 5 * (5 - at) & 31 for at in range(6)]
    return (prefix + "1" + "".join(_BECH32[word] for word in words)).upper()


@cache
def _pem(kind: str) -> str:
    """One key of a kind for the whole process: making one takes a while, and none is ever used."""
    key = (
        rsa.generate_private_key(65537, 2048)
        if kind == "rsa"
        else ed25519.Ed25519PrivateKey.generate()
        if kind == "openssh"
        else ec.generate_private_key(ec.SECP256R1())
    )
    forms = {"rsa": PrivateFormat.TraditionalOpenSSL, "openssh": PrivateFormat.OpenSSH}
    encryption = BestAvailableEncryption(b"made up") if kind == "encrypted" else NoEncryption()
    return key.private_bytes(Encoding.PEM, forms.get(kind, PrivateFormat.PKCS8), encryption).decode().strip()


def _armored(label: str, before: bytes, length: int, checked: str = "") -> Make:
    def armored(rng: random.Random) -> str:
        text = base64.b64encode(before + rng.randbytes(length)).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(
            [f"-----BEGIN {label}-----", *([""] if checked else []), *lines, checked, f"-----END {label}-----"]
        ).replace("\n\n-----END", "\n-----END")

    return armored


def _sealed(rng: random.Random, size: int) -> str:
    return base64.b64encode(size.to_bytes(2, "big") + rng.randbytes(size + 16 + rng.randrange(8, 64))).decode()


def _sops(rng: random.Random) -> str:
    data, iv, tag = (base64.b64encode(rng.randbytes(size)).decode() for size in (rng.randrange(4, 40), 32, 16))
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]"


def _docker_config(rng: random.Random) -> str:
    auth = base64.b64encode(f"ci:{_password(rng)}".encode()).decode()
    return json.dumps({"auths": {"ghcr.io": {"auth": auth}}})


_HEX = "0123456789abcdef"
_DIGITS = string.digits

KINDS: dict[str, Make] = {
    "age_armored": _armored("AGE ENCRYPTED FILE", b"age-encryption.org/v1\n-> X25519 ", 150),
    "age_key": _age,
    "anthropic_key": _from(_BASE64URL, 93, "sk-ant-api03-", "AA"),
    "aws_key_id": _from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, "AKIA"),
    "aws_secret": _from(string.ascii_letters + _DIGITS + "+/", 40),
    "azure_client_secret": lambda rng: f"{_some(rng, BASE62, 3)}8Q~{_some(rng, BASE62 + '-_.~', 34)}",
    "azure_storage_key": _bytes(64),
    "base64_32": _bytes(32),
    "certificate": _armored("CERTIFICATE", b"0\x82\x02\x5e", 600),
    "discord_webhook": lambda rng: (
        f"https://discord.com/api/webhooks/{_some(rng, _DIGITS, 18)}/{_some(rng, _BASE64URL, 68)}"
    ),
    "do_token": _from(_HEX, 64, "dop_v1_"),
    "dockerconfig": _docker_config,
    "encrypted_key": lambda _: _pem("encrypted"),
    "github_fine_grained": lambda rng: f"github_pat_{_some(rng, BASE62, 22)}_{_some(rng, BASE62, 59)}",
    "github_token": _with_crc("ghp_"),
    "gitlab_token": _from(_BASE64URL[:-2], 20, "glpat-"),
    "google_api_key": _from(_BASE64URL, 35, "AIza"),
    "grafana_token": _grafana,
    "hex32": _from(_HEX, 32),
    "hex40": _from(_HEX, 40),
    "hex64": _from(_HEX, 64),
    "hf_token": _from(string.ascii_letters, 34, "hf_"),
    "jwt": _jwt,
    "npm_token": _with_crc("npm_"),
    "openai_key": lambda rng: f"sk-proj-{_some(rng, _BASE64URL, 74)}T3BlbkFJ{_some(rng, _BASE64URL, 74)}",
    "openssh_key": lambda _: _pem("openssh"),
    "password": _password,
    "pgp_message": _armored("PGP MESSAGE", b"\x84\x8c", 300, "=AbCd"),
    "pgp_private": _armored("PGP PRIVATE KEY BLOCK", b"\x94\x58", 300, "=AbCd"),
    "private_key": lambda _: _pem("pkcs8"),
    "pypi_token": lambda rng: (
        "pypi-" + base64.urlsafe_b64encode(b"\x02\x01\x08pypi.org\x02" + rng.randbytes(110)).rstrip(b"=").decode()
    ),
    "rsa_key": lambda _: _pem("rsa"),
    "sealed": lambda rng: _sealed(rng, 512),
    "sealed_small": lambda rng: _sealed(rng, 256),
    "sendgrid_key": lambda rng: f"SG.{_some(rng, _BASE64URL, 22)}.{_some(rng, _BASE64URL, 43)}",
    "slack_token": lambda rng: f"xoxb-{_some(rng, _DIGITS, 12)}-{_some(rng, _DIGITS, 12)}-{_some(rng, BASE62, 24)}",
    "slack_webhook": lambda rng: (
        "https://hooks.slack.com/services/"
        f"T{_some(rng, BASE62[:36], 10)}/B{_some(rng, BASE62[:36], 10)}/{_some(rng, BASE62, 24)}"
    ),
    "sops": _sops,
    "stripe_key": _from(BASE62, 24, "sk_live_"),
    "telegram_token": lambda rng: f"{_some(rng, '123456789', 10)}:AA{_some(rng, _BASE64URL, 33)}",
    "vault_token": _from(_BASE64URL, 91, "hvs.CAES"),
}

_UPPER32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _uuid(rng: random.Random) -> str:
    text = _some(rng, _HEX, 32)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _packagist(rng: random.Random) -> str:
    body = _some(rng, _HEX, 60)
    return f"packagist_ort_{body}{zlib.crc32(body.encode()):08x}"


# Forms as their issuers' documentation gives them; whether the detector knows them was not looked at.
DOCUMENTED: dict[str, Make] = {
    "cloudflare": lambda rng: f"cfut_{_some(rng, BASE62, 40)}{_some(rng, _HEX, 8)}",
    "do_oauth": _from(_HEX, 64, "doo_v1_"),
    "dockerhub": _from(_BASE64URL, 27, "dckr_pat_"),
    "dynatrace": lambda rng: f"dt0c01.{_some(rng, _UPPER32, 24)}.{_some(rng, _UPPER32, 64)}",
    "github_app": _with_crc("ghs_"),
    "github_refresh": lambda rng: f"ghr_{_some(rng, BASE62, 76)}",
    "gitlab_agent": _from(_BASE64URL, 50, "glagent-"),
    "gitlab_runner": _from(_BASE64URL[:-2], 20, "glrt-"),
    "google_oauth": _from(_BASE64URL, 28, "GOCSPX-"),
    "openrouter": _from(_HEX, 64, "sk-or-v1-"),
    "packagist": _packagist,
    "slack_app": lambda rng: f"xapp-1-A{_some(rng, _UPPER32, 10)}-{_some(rng, _DIGITS, 13)}-{_some(rng, _HEX, 64)}",
    "stripe_publishable": _from(BASE62, 24, "pk_live_"),
    "stripe_restricted": _from(BASE62, 24, "rk_live_"),
    "tailscale": lambda rng: f"tskey-auth-k{_some(rng, BASE62, 11)}CNTRL-{_some(rng, BASE62, 32)}",
    "terraform_cloud": lambda rng: f"{_some(rng, BASE62, 14)}.atlasv1.{_some(rng, BASE62, 67)}",
    "uuid": _uuid,
}
