"""What a value can be told to be by looking at it: a reference, a stand-in, a hash, or something random."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

_MAX = 160
"""Characters of a value that are looked at."""

_ROW = 64

_STAND_IN = re.compile(
    r"""\s*(?:
      <[^<>]*> | \[[^\[\]]*\] | %\w+% | @\w+@ | __\w+__ | \$\w+ | \*+ | \.{2,} | [-_xX]+ | (?:\w+\.)*secrets\.\w+
    | (?i:true|false|yes|no|on|off|none|null|nil|undefined|enabled|disabled|[\d.,:-]{1,12}[a-z]{0,3})
    )\s*""",
    re.VERBOSE,
)
_TEMPLATED = ("{{", "${", "$(", "<%", "#{", "%{", "%(")
_REFERENCE = re.compile(
    r"""\s*(?:
      (?:vault|bao|op|file|env|awssm|ssm|gcpsm|azurekv|akv|keyvault|secretref|secret|kms|sops|doppler|infisical|k8s):\S
    | (?:ref|secretref)\+\w+:// | arn:aws | projects/[\w.-]+/secrets/ | !(?:vault|secret|env|Ref|Sub|GetAtt)\b
    | <[^<>]*>\s*\Z | \$\w+\s*\Z
    )""",
    re.VERBOSE,
)
_ELSEWHERE = re.compile(
    r"""\s*(?:
    # an address; what is secret in one is found as an address
      [A-Za-z][A-Za-z0-9+.-]{1,30}://
    # a hash
    | \$(?:2[abxy]?|[156]|argon2\w*|apr1|y|pbkdf2\S*)\$ | \{(?:SSHA|SHA|MD5|CRYPT)\d*\}
    | (?:pbkdf2|sha\d+|md5|scrypt): | sha\d{3}-
    # what everybody may know: a certificate, a public key, in base64 too
    | -----BEGIN\ (?:CERTIFICATE|PUBLIC\ KEY|RSA\ PUBLIC\ KEY|PGP\ PUBLIC) | ssh-(?:rsa|ed25519|dss)\  | ecdsa-sha2-
    | age1[a-z0-9]{20} | LS0tLS1CRUdJTiBDRVJUSUZJQ0FUR | LS0tLS1CRUdJTiBQVUJMSUMg | MII[BC]Ij
    # an expression
    | [A-Za-z_]\w*(?:\.\w+)*\((?:[^)]*\)|[\w.,"'\ ]*\Z)
    | (?i:var|local|data|each|module|self|this|process|os|settings|config|values)\.[\w.\[\]"']+\s*\Z
    )""",
    re.VERBOSE,
)
_PATH = re.compile(r"\s*(?:/|\./|\.\./|~/|[A-Za-z]:\\)")
_SUFFIX = re.compile(r"\.[a-z]{2,5}\s*\Z")
_SHORT_PART = 4
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_VOWEL = re.compile("[aeiouyAEIOUY]")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~!@#$%^&*:|?-]+\Z")
_PART = re.compile(r"[-_./:@ ]+")
_WORD = re.compile(r"(?:[A-Z]?[a-z]+(?:[A-Z][a-z]+)*|[A-Z]+)\d{0,2}\Z|v?\d{1,4}\Z")

_VOCABULARY = frozenset(
    """
    a an and any api app auth bar base baz basic bearer blah change changed changeit changeme client credential
    credentials custom db default demo dev development do dummy empty enter example fake fill fixme foo for from
    generate generated given guest here hidden in insert into is it jwt key keys like local localhost master me
    mock must my mysql name new none not of old or pass passphrase passwd password passwords placeholder please
    postgres postgresql private pwd random redacted redis replace replaced required root sample secret secrets
    secretkey session set shared signing some specify string supersecret test testing text that the this tbd to
    todo token tokens topsecret unset unused update user username value with write your yours admin administrator
    login masked removed passwort kennwort contrasena senha wachtwoord losenord adgangskode salasana heslo haslo omitted nothing anything something
    """.split()  # noqa: SIM905 - read as words
)


def refers(value: str) -> bool:
    """Whether something else fills the value in, or looks it up."""
    return any(mark in value for mark in _TEMPLATED) or _REFERENCE.match(value[:_MAX]) is not None


def is_harmless(value: str) -> bool:
    """Whether a value cannot be a credential, or stands for one that is filled in elsewhere."""
    value = value[:_MAX]
    return (
        len(value.strip()) < 3  # noqa: PLR2004 - a letter or two
        or any(mark in value for mark in _TEMPLATED)
        or _STAND_IN.fullmatch(value) is not None
        or _REFERENCE.match(value) is not None
        or _ELSEWHERE.match(value) is not None
        or (_PATH.match(value) is not None and _is_path(value))
        or is_made_up(value)
    )


def _is_path(value: str) -> bool:
    """Base64 may begin with a slash as well, but is no words, and has no suffix."""
    return _SUFFIX.search(value) is not None or all(
        len(part) <= _SHORT_PART or is_wordy(part) for part in _PART.split(value.replace("\\", "/"))
    )


def is_made_up(value: str) -> bool:
    """Whether somebody wrote it to stand for a value: words that say so, one character over and over, a row of them."""
    value = value[:_MAX].strip()
    if "EXAMPLE" in value or len(set(value)) <= 3:  # noqa: PLR2004 - nothing that is drawn at random
        return True
    lowered = value[:_ROW].lower()
    following = sum(ord(b) - ord(a) == 1 for a, b in itertools.pairwise(lowered))
    tail = _PART.split(value)[-1]
    if following > 0.6 * len(lowered) or (len(tail) >= 8 and max(Counter(tail).values()) > 0.6 * len(tail)):  # noqa: PLR2004
        return True
    words = _WORDS.findall(value)
    return bool(words) and all(word.lower() in _VOCABULARY for word in words)


def is_wordy(value: str) -> bool:
    """Whether it is made of words and small numbers: a name, an identifier, a sentence."""
    return all(_WORD.match(part) or _is_camel(part) for part in _PART.split(value.strip()) if part)


def _is_camel(part: str) -> bool:
    """Words run together, of a length that letters drawn at random do not have: ``V1SecretProjection``."""
    words = _WORDS.findall(part)
    letters = [word for word in words if word.isalpha()]
    return (
        len(words) > 1
        and len(part) - sum(map(len, letters)) <= 2  # noqa: PLR2004 - digits
        and len(part) >= 3.5 * len(words)
        and all(len(word) < 3 or _VOWEL.search(word) for word in letters)  # noqa: PLR2004
    )


def is_random(value: str, shortest: int = 12) -> bool:
    """Whether it looks drawn at random: no words, no spaces, letters and digits, as much entropy as its length allows."""
    value = value.strip()[:_MAX]
    if len(value) < shortest or not _TOKEN.match(value):
        return False
    if _UUID.match(value):
        return len(set(value)) > 8  # noqa: PLR2004 - not one of zeros
    if is_wordy(value):
        return False
    letters = sum(c.isalpha() for c in value)
    digits = sum(c.isdigit() for c in value)
    mixed = value.lower() != value and value.upper() != value
    return bool(digits or mixed) and letters + digits >= 0.6 * len(value) and entropy(value) >= _least(len(value))


def entropy(value: str) -> float:
    """Bits per character, by the frequencies in the value itself."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _least(length: int) -> float:
    """What random hex of this length rarely falls below: the alphabet's four bits, less what short texts cannot show."""
    return min(2.6 + 0.02 * length, 3.1)
