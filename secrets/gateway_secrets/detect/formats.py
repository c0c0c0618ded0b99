"""Tokens that are told by their form alone: a prefix, an alphabet, a length, and where there is one, a checksum.

Every pattern begins with a literal and has bounded repetitions only, so that none can be made to hang.
Sources: the providers' pages, and docs.github.com/en/code-security/secret-scanning for prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from gateway_secrets.detect import checksums, kinds
from gateway_secrets.detect.values import is_made_up

_B = r"[A-Za-z0-9_-]"
"""base64url"""
_N = r"[A-Za-z0-9]"
_H = r"[0-9a-f]"
_SHORTEST = 20


class Format(msgspec.Struct, frozen=True):
    """``starts``: a pattern of the place where a long run of token characters begins, which the scan looks for first."""

    kind: str
    starts: str
    pattern: str
    check: Callable[[str], bool] | None = None


class Token(msgspec.Struct, frozen=True):
    """Where a token is in a text."""

    kind: str
    start: int
    end: int
    checked: bool


FORMATS = (
    Format("github-token", r"gh[pousr]_", rf"gh[pousr]_{_N}{{36}}(?!{_N})", checksums.github),
    Format("github-token", r"ghr_", rf"ghr_{_N}{{76}}(?!{_N})"),
    Format("github-token", r"github_pat_", rf"github_pat_{_N}{{22}}_{_N}{{59}}(?!{_N})"),
    Format(
        "gitlab-token",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-",
        rf"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-{_B}{{20,300}}",
    ),
    Format("npm-token", r"npm_", rf"npm_{_N}{{36}}(?!{_N})", checksums.github),
    Format("pypi-token", r"pypi-AgE", rf"pypi-AgE{_B}{{50,500}}", checksums.pypi),
    Format("rubygems-key", r"rubygems_", rf"rubygems_{_H}{{48}}(?!{_N})"),
    Format("docker-hub-token", r"dckr_[po]at_", rf"dckr_[po]at_{_B}{{27,40}}"),
    Format("slack-token", r"xox[abeoprs]-", r"xox[abeoprs]-[0-9]{8,14}-[0-9A-Za-z-]{10,120}"),
    Format("slack-token", r"xapp-", r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,14}-[0-9a-f]{40,80}"),
    Format("stripe-key", r"[rs]k_(?:live|test)_", rf"[rs]k_live_{_N}{{24,120}}"),
    Format("sendgrid-key", r"(?<=SG\.)", rf"SG\.{_B}{{22}}\.{_B}{{43}}(?!{_B})"),
    Format("twilio-key", r"SK[0-9a-f]", rf"SK{_H}{{32}}(?!{_N})"),
    Format("mailgun-key", r"key-", rf"key-{_H}{{32}}(?!{_N})"),
    Format("square-token", r"(?:sq0csp|sq0atp)-|EAAA", rf"(?:sq0csp-{_B}{{43}}|sq0atp-{_B}{{22}})(?!{_B})"),
    Format("shopify-token", r"shp(?:at|ca|pa|ss)_", rf"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}(?!{_N})"),
    Format("google-api-key", r"AIza", rf"AIza{_B}{{35}}(?!{_B})"),
    Format("google-oauth-secret", r"GOCSPX-", rf"GOCSPX-{_B}{{28}}(?!{_B})"),
    Format("google-oauth-token", r"(?<=ya29\.)", rf"ya29\.{_B}{{40,500}}"),
    Format(kinds.AWS_KEY_ID, r"A(?:KIA|SIA)", r"A(?:KIA|SIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    Format("azure-client-secret", r"(?<=\dQ~)", rf"{_N}{{3}}[78]Q~[A-Za-z0-9_.~-]{{31,34}}(?![A-Za-z0-9_~-])"),
    Format("azure-storage-key", "", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    Format("vault-token", r"(?<=hv[sbr]\.)", rf"hv[sbr]\.{_B}{{24,300}}"),
    Format("terraform-token", r"(?<=\.atlasv1\.)", rf"{_N}{{14}}\.atlasv1\.{_B}{{60,80}}"),
    Format("grafana-token", r"glsa_", rf"glsa_{_N}{{32}}_{_H}{{8}}(?!{_N})", checksums.grafana),
    Format("digitalocean-token", r"do[opr]_v1_", rf"do[opr]_v1_{_H}{{64}}(?!{_N})"),
    Format("cloudflare-token", r"cf(?:k|ut|at)_", rf"cf(?:k|ut|at)_{_N}{{44,56}}(?!{_N})"),
    Format("packagist-token", r"packagist_", rf"packagist_[a-z]{{3}}_{_H}{{68}}(?!{_N})"),
    Format("dynatrace-token", r"(?<=dt0[cs]\d\d\.)", r"dt0[cs]\d\d\.[A-Z2-7]{24}\.[A-Z2-7]{64}(?![A-Za-z0-9])"),
    Format("databricks-token", r"dapi", rf"dapi{_H}{{32}}(?:-\d)?(?!{_N})"),
    Format("openai-key", r"sk-", rf"sk-(?:(?:proj|svcacct|admin)-)?{_B}{{20,80}}T3BlbkFJ{_B}{{20,80}}"),
    Format("openrouter-key", r"sk-or-v1-", rf"sk-or-v1-{_H}{{64}}(?!{_N})"),
    Format("anthropic-key", r"sk-ant-", rf"sk-ant-(?:api|admin)\d\d-{_B}{{90,120}}"),
    Format("hugging-face-token", r"hf_", r"hf_[A-Za-z]{34}(?![A-Za-z0-9])"),
    Format("artifactory-token", r"AKC[a-zA-Z0-9]|cmVmdGtu", rf"(?:AKCp{_N}{{65,80}}|cmVmdGtu{_N}{{50,70}})"),
    Format("atlassian-token", r"ATATT3", rf"ATATT3{_B}{{100,250}}"),
    Format("new-relic-key", r"NRAK-", r"NRAK-[A-Z0-9]{27}(?![A-Za-z0-9])"),
    Format("linear-key", r"lin_api_", rf"lin_api_{_N}{{40}}(?!{_N})"),
    Format("postman-key", r"PMAK-", rf"PMAK-{_H}{{24}}-{_H}{{34}}(?!{_N})"),
    Format("doppler-token", r"(?<=dp\.[a-z][a-z]\.)", rf"dp\.(?:pt|st|ct|sa)\.{_N}{{40,44}}(?!{_N})"),
    Format("pulumi-token", r"pul-", rf"pul-{_H}{{40}}(?!{_N})"),
    Format("planetscale-token", r"pscale_(?:tkn|pw|oauth)_", rf"pscale_(?:tkn|pw|oauth)_{_B}{{32,64}}"),
    Format("sentry-token", r"sntry[su]_", r"sntry[su]_[A-Za-z0-9+/=_-]{40,400}"),
    Format("tailscale-key", r"tskey-", rf"tskey-(?:auth|api|client|scim|webhook)-{_N}{{8,24}}-{_N}{{20,40}}"),
    Format("telegram-token", r"(?<=:)AA", rf"\d{{8,10}}:AA{_B}{{33}}(?!{_B})"),
    Format(kinds.AGE_KEY, r"AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{58}(?![A-Za-z0-9])", checksums.age),
    Format("json-web-token", r"eyJ", rf"(?<![_-])eyJ{_B}{{15,2000}}\.{_B}{{2,8000}}\.{_B}{{20,2000}}", checksums.jwt),
    Format(
        "slack-webhook",
        "",
        rf"https://hooks\.slack\.com/(?:services|workflows|triggers)/T[A-Z0-9]{{8,12}}/[A-Z0-9]{{8,12}}/{_N}{{20,30}}",
    ),
    Format("discord-webhook", "", rf"https://(?:discord|discordapp)\.com/api/webhooks/\d{{17,20}}/{_B}{{60,80}}"),
    Format(
        "teams-webhook",
        "",
        r"https://[a-z0-9.-]{0,60}\.?office\.com/webhook[a-z0-9]{0,4}/[A-Za-z0-9@/-]{80,260}",
    ),
)

_COMBINED = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<f{at}>{one.pattern})" for at, one in enumerate(FORMATS)) + ")"
)
STARTS = re.compile("|".join(dict.fromkeys(one.starts for one in FORMATS if one.starts)).encode())
"""Of bytes, at the place where a run of token characters begins."""

NAME_STARTS = "|".join(dict.fromkeys(one.starts for one in FORMATS if one.starts))
"""The same, as a pattern of text."""
_NAME_STARTS = re.compile(NAME_STARTS)
_SUMS = frozenset((checksums.github, checksums.grafana, checksums.age))


def token_as_name(name: str) -> str:
    """The kind of the token that somebody wrote where a name belongs; empty if it is none."""
    if len(name) < _SHORTEST or not _NAME_STARTS.match(name):
        return ""
    return next((token.kind for token in tokens_in(name)), "")


def tokens_in(text: str) -> Iterator[Token]:
    """The tokens in a text whose forms are known; one whose checksum is wrong, or that was plainly made up, is none."""
    for match in _COMBINED.finditer(text):
        one = FORMATS[int((match.lastgroup or "f0")[1:])]
        token = match[0]
        if not is_made_up(token) and (one.check is None or one.check(token)):
            yield Token(one.kind, match.start(), match.end(), one.check in _SUMS)
