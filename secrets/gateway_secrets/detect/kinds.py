"""The kinds of credentials, by id. Findings, baselines and settings name them: an id never changes its meaning."""

from __future__ import annotations

from gateway.core.finding import Severity
from gateway_secrets.detect.hit import Kind

KUBERNETES_SECRET = "kubernetes-secret"  # noqa: S105 - an id
FAKE_SEALED = "fake-sealed-secret"
FAKE_ENCRYPTED = "fake-encrypted-value"
PRIVATE_KEY = "private-key"
AGE_KEY = "age-key"
URL_PASSWORD = "url-password"  # noqa: S105 - an id
HEADER = "authorization-header"
REGISTRY = "registry-credentials"
PASSWORD = "named-password"  # noqa: S105 - an id
NAMED = "named-secret"
AWS_SECRET = "aws-secret-key"  # noqa: S105 - an id
AWS_KEY_ID = "aws-key-id"

_CRITICAL, _HIGH, _MEDIUM = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM

_ALL = (
    Kind(KUBERNETES_SECRET, "the value of a Secret, which is not encrypted", _CRITICAL),
    Kind(FAKE_SEALED, "a value that is not sealed, whatever the object says", _CRITICAL),
    Kind(FAKE_ENCRYPTED, "a value that only looks encrypted", _CRITICAL),
    Kind(PRIVATE_KEY, "a private key", _CRITICAL),
    Kind(AGE_KEY, "an age secret key", _CRITICAL),
    Kind(URL_PASSWORD, "a password in an address or a connection string", _HIGH),
    Kind(HEADER, "credentials of an Authorization header", _HIGH),
    Kind(REGISTRY, "the credentials of a registry", _CRITICAL),
    Kind(PASSWORD, "a password, by its name", _HIGH),
    Kind(NAMED, "a random value whose name says that it is secret", _HIGH),
    Kind(AWS_SECRET, "an AWS secret access key", _CRITICAL),
    Kind(AWS_KEY_ID, "the id of an AWS access key, whose secret may not be far", _MEDIUM),
    Kind("anthropic-key", "an Anthropic API key", _HIGH),
    Kind("artifactory-token", "an Artifactory token", _HIGH),
    Kind("atlassian-token", "an Atlassian API token", _HIGH),
    Kind("azure-client-secret", "the client secret of an Entra ID application", _CRITICAL),
    Kind("azure-storage-key", "the key of an Azure storage account", _CRITICAL),
    Kind("cloudflare-token", "a Cloudflare token", _CRITICAL),
    Kind("databricks-token", "a Databricks token", _HIGH),
    Kind("digitalocean-token", "a DigitalOcean token", _CRITICAL),
    Kind("discord-webhook", "the address of a Discord webhook", _MEDIUM),
    Kind("docker-hub-token", "a Docker Hub token", _HIGH),
    Kind("doppler-token", "a Doppler token", _HIGH),
    Kind("dynatrace-token", "a Dynatrace token", _HIGH),
    Kind("github-token", "a GitHub token", _CRITICAL),
    Kind("gitlab-token", "a GitLab token", _CRITICAL),
    Kind("google-api-key", "a Google API key", _HIGH),
    Kind("google-oauth-secret", "the client secret of a Google OAuth client", _HIGH),
    Kind("google-oauth-token", "a Google OAuth token", _HIGH),
    Kind("grafana-token", "a Grafana service account token", _HIGH),
    Kind("hugging-face-token", "a Hugging Face token", _HIGH),
    Kind("json-web-token", "a JSON web token", _HIGH),
    Kind("linear-key", "a Linear API key", _HIGH),
    Kind("mailgun-key", "a Mailgun key", _HIGH),
    Kind("new-relic-key", "a New Relic user key", _HIGH),
    Kind("npm-token", "an npm token", _CRITICAL),
    Kind("openai-key", "an OpenAI API key", _HIGH),
    Kind("openrouter-key", "an OpenRouter API key", _HIGH),
    Kind("packagist-token", "a Packagist token", _HIGH),
    Kind("planetscale-token", "a PlanetScale token or password", _HIGH),
    Kind("postman-key", "a Postman API key", _HIGH),
    Kind("pulumi-token", "a Pulumi access token", _HIGH),
    Kind("pypi-token", "a PyPI token", _CRITICAL),
    Kind("rubygems-key", "a RubyGems API key", _CRITICAL),
    Kind("sendgrid-key", "a SendGrid API key", _HIGH),
    Kind("sentry-token", "a Sentry token", _HIGH),
    Kind("shopify-token", "a Shopify token", _HIGH),
    Kind("slack-token", "a Slack token", _HIGH),
    Kind("slack-webhook", "the address of a Slack webhook", _MEDIUM),
    Kind("square-token", "a Square token", _HIGH),
    Kind("stripe-key", "a Stripe secret key", _CRITICAL),
    Kind("tailscale-key", "a Tailscale key", _HIGH),
    Kind("teams-webhook", "the address of a Teams webhook", _MEDIUM),
    Kind("telegram-token", "the token of a Telegram bot", _HIGH),
    Kind("terraform-token", "a Terraform Cloud token", _HIGH),
    Kind("twilio-key", "a Twilio API key", _HIGH),
    Kind("vault-token", "a Vault token", _CRITICAL),
)

KINDS: dict[str, Kind] = {kind.id: kind for kind in _ALL}
