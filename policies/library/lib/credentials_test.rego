package govgate.lib.credentials_test

import rego.v1

import data.govgate.lib.credentials

# Put together here, so that no file holds what a scanner of secrets would take for one.

repeated(text, times) := concat("", [text | some _ in numbers.range(1, times)])

key(name, body) := concat("", ["-----BEGIN ", name, "-----\n", body, "\n-----END ", name, "-----\n"])

body := repeated("bm90IGEga2V5", 8)

texts := {
	"an AWS secret access key": [
		sprintf("aws_secret_access_key = %s\n", [repeated("a1B/", 10)]),
		sprintf("{\"awsSecretAccessKey\": \"%s\"}", [repeated("a1B+", 10)]),
		sprintf("AWS_SECRET_ACCESS_KEY=%s", [repeated("a1B2", 10)]),
		sprintf("{\"SecretAccessKey\":\"%s\"}", [repeated("a1B2", 10)]),
		sprintf("secret-access-key: %s", [repeated("a1B2", 10)]),
		sprintf("aws_secret_key = '%s'", [repeated("a1B2", 10)]),
	],
	"an age secret key": [concat("", ["AGE-SECRET-KEY-", "1", repeated("A1", 29)])],
	"an Azure storage key": [sprintf("AccountName=a;AccountKey=%s==;", [repeated("aB", 43)])],
	"a GitHub token": [concat("", ["ghp", "_", repeated("a1B", 12)]), concat("", ["github", "_pat_", repeated("a1B_", 20)])],
	"a GitLab token": [concat("", ["glpat", "-", repeated("a1B_", 5)])],
	"an npm token": [concat("", ["//registry.npmjs.org/:_authToken=npm", "_", repeated("a1B", 12)])],
	"a private key": [
		key("PRIVATE KEY", body),
		key("RSA PRIVATE KEY", body),
		key("EC PRIVATE KEY", body),
		key("OPENSSH PRIVATE KEY", body),
		sprintf("{\"private_key\": %s}", [json.marshal(key("PRIVATE KEY", body))]),
	],
	"a Slack token": [concat("", ["xox", "b-123456789012-", repeated("a1B", 8)])],
	"a Stripe key": [concat("", ["sk", "_live_", repeated("a1B", 10)])],
}

test_every_shape_has_texts if object.keys(texts) == object.keys(credentials.shapes)

test_shapes[kind] if {
	some kind, examples in texts
	every text in examples {
		credentials.marked(text)
		credentials.in_text(text) == {kind}
	}
}

others := [
	"",
	"log_level = debug",
	key("CERTIFICATE", body),
	key("PUBLIC KEY", body),
	key("ENCRYPTED PRIVATE KEY", body),
	key("RSA PRIVATE KEY", concat("", ["Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", body])),
	"-----BEGIN PRIVATE KEY----- is how a key begins",
	"-----BEGIN (RSA )?PRIVATE KEY-----",
	"regex: ghp_[A-Za-z0-9]{36}",
	"aws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}",
	"the secret is kept elsewhere",
	"glpat-…",
	"npm_config_cache: /tmp",
]

test_others[text] if {
	some text in others
	credentials.in_text(text) == set()
}

test_a_setting_is_told_by_name_and_length if {
	aws := {"an AWS secret access key"}
	credentials.in_setting("AWS_SECRET_ACCESS_KEY", repeated("a1B/", 10)) == aws
	credentials.in_setting("awsSecretAccessKey", repeated("a1B/", 10)) == aws
	credentials.in_setting("AWS_SECRET_ACCESS_KEY", "elsewhere") == set()
	credentials.in_setting("COMMIT", repeated("a1b2", 10)) == set()
	credentials.in_setting("CONFIG", key("PRIVATE KEY", body)) == {"a private key"}
}

telling := [
	"PASSWORD", "db-password", "DB_PASSWORD", "dbPassword", "POSTGRES_PASSWORD", "redis.password", "PGPASSWORD", "token",
	"GITHUB_TOKEN", "apiKey", "API_KEY", "stripe-apikey", "clientSecret", "CLIENT_SECRET", "aws_secret_access_key",
	"smtp_passwd", "private-key", "JWT_SECRET", "credentials",
]

test_telling_names[name] if {
	some name in telling
	credentials.telling(name)
	credentials.may_tell(["LEVEL", name])
}

not_telling := [
	"token-ttl", "TOKEN_URL", "PASSWORD_FILE", "password_policy", "SECRET_NAME", "secretName", "tokens", "log_level",
	"passwordless", "keyboard", "public_key", "monkey", "MAX_TOKENS", "cache_key", "credentials.json.path",
]

test_other_names[name] if {
	some name in not_telling
	not credentials.telling(name)
}

values := [
	"", "true", "False", "30s", "3600", "/var/run/secrets/token", "./token", "<from the vault>", "****", "xxxx",
	"$(DB_PASSWORD)", "${DB_PASSWORD}", "$DB_PASSWORD", "%PASSWORD%", "{{ .Values.password }}", "vault:secret/db#password",
	"file:///etc/token", "arn:aws:secretsmanager:eu-west-1:1:secret:db",
]

test_harmless_values[value] if {
	some value in values
	credentials.harmless(value)
}

test_other_values[value] if {
	some value in ["hunter2", "correct horse battery staple", "p@ss/word", "s3cr3t"]
	not credentials.harmless(value)
}

test_most_names_tell_nothing if not credentials.may_tell(["LEVEL", "token-ttl"])

test_most_texts_hold_nothing if not credentials.marked("log_level = debug")

test_key_ids if {
	credentials.key_id(concat("", ["key: \"AKIA", "IOSFODNN7EXAMPLE\""]))
	credentials.key_id(concat("", ["ASIA", "IOSFODNN7EXAMPLE"]))
	not credentials.key_id("AKIA…")
	not credentials.key_id("a region in ASIA")
}
