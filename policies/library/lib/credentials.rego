# METADATA
# scope: package
# title: What credentials look like, and what their names do
# description: |
#   By shape: a text that holds a credential, of a form that nothing else has. By name: a setting whose name says that
#   its value is one. Nothing here returns a value, nor a part of one.
package govgate.lib.credentials

import rego.v1

# METADATA
# title: Credentials that are told by their shape
# description: A pattern is tried only where one of its markers is found, which costs a fraction.
shapes := {
	"an AWS secret access key": {
		"markers": [
			"AWS_SECRET",
			"aws_secret",
			"awsSecret",
			"AwsSecret",
			"SECRET_ACCESS_KEY",
			"secret_access_key",
			"secret-access-key",
			"secretAccessKey",
			"SecretAccessKey",
		],
		"pattern": `(?i)(?:secret[_-]?access|aws[_-]?secret)[_-]?key\\*["']?\s*[:=]\s*\\*["']?[A-Za-z0-9/+]{40}(?:[^A-Za-z0-9/+=]|$)`,
	},
	"an age secret key": {"markers": ["AGE-SECRET-KEY-1"], "pattern": `AGE-SECRET-KEY-1[0-9A-Z]{58}`},
	"an Azure storage key": {"markers": ["AccountKey="], "pattern": `AccountKey=[A-Za-z0-9+/]{86}==`},
	"a GitHub token": {
		"markers": ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
		"pattern": `\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})`,
	},
	"a GitLab token": {"markers": ["glpat-"], "pattern": `\bglpat-[A-Za-z0-9_-]{20,}`},
	"an npm token": {"markers": ["npm_"], "pattern": `\bnpm_[A-Za-z0-9]{36}\b`},
	"a private key": {
		"markers": ["PRIVATE KEY-----"],
		"pattern": `-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH) )?PRIVATE KEY-----(?:\s|\\[nr])+[A-Za-z0-9+/=\s\\]{40,}`,
	},
	"a Slack token": {"markers": ["xox"], "pattern": `\bxox[abeoprs]-[0-9]{8,}-[0-9A-Za-z-]{10,}`},
	"a Stripe key": {"markers": ["k_live_"], "pattern": `\b[rs]k_live_[0-9A-Za-z]{24,}`},
}

# METADATA
# title: A text may hold credentials; if not, it holds none
marked(text) if {
	some marker in _markers
	contains(text, marker)
}

_markers := {marker | some shape in shapes; some marker in shape.markers}

# METADATA
# title: The kinds of credentials in a text
in_text(text) := {kind |
	some kind, shape in shapes
	some marker in shape.markers
	contains(text, marker)
	regex.match(shape.pattern, text)
}

# METADATA
# title: The kinds of credentials that a named setting holds
# description: An AWS secret access key alone has no shape of its own, but its name and its length tell it.
in_setting(name, value) := in_text(value) | {"an AWS secret access key" |
	endswith(plain(name), "secret_access_key")
	regex.match(`^\s*[A-Za-z0-9/+]{40}\s*$`, value)
}

# METADATA
# title: A text holds the id of an AWS access key, which is no secret in itself
key_id(text) if {
	key_marked(text)
	regex.match(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`, text)
}

# METADATA
# title: A text may hold the id of an AWS access key; if not, it holds none
key_marked(text) if contains(text, "AKIA")

key_marked(text) if contains(text, "ASIA")

# METADATA
# title: Some of these names may be telling; if not, none is
may_tell(names) if strings.any_suffix_match(names, _endings)

_endings := [ending |
	some word in ["credential", "credentials", "key", "passphrase", "passwd", "password", "secret", "token"]
	capital := concat("", [upper(substring(word, 0, 1)), substring(word, 1, -1)])
	some ending in [word, upper(word), capital]
]

# METADATA
# title: A name says that its value is a credential
# description: By its last words only, so that `token-ttl`, `password_policy` and `SECRET_NAME` are none.
telling(name) if regex.match(suffixes, plain(name))

# METADATA
# title: The last words of such names
suffixes := concat("", [
	`(?:^|_)(?:password|passwd|passphrase|secret|token|credentials?|`,
	`apikey|api_key|access_key|secret_key|private_key|encryption_key|signing_key|account_key|`,
	`authtoken|accesskey|secretkey|clientsecret|dbpassword|pgpassword)$`,
])

# METADATA
# title: A name in lower case, its words joined by _
plain(name) := lower(regex.replace(replace(replace(name, "-", "_"), ".", "_"), `([a-z0-9])([A-Z])`, "${1}_${2}"))

# METADATA
# title: A value that cannot be a credential
# description: Empty, a switch, a number, a path, or what something else fills in or looks up.
harmless(value) if lower(value) in {"", "true", "false", "yes", "no", "none", "null", "nil", "enabled", "disabled"}

harmless(value) if regex.match(`^\s*(?:[0-9.]+[a-z]*|/.*|\./.*|<.*>|\*+|[Xx]+|\$\(.*\)|\$\{.*\}|\$[A-Za-z_]\w*|%.*%)\s*$`, value)

harmless(value) if regex.match(`^\s*(?:file|vault|op|ref\+\w+|awssm|gcpsm|azurekv|secretref|arn|projects)[:/]`, value)

harmless(value) if contains(value, "{{")
