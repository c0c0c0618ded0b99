package main

import (
	"strings"
	"testing"
)

// What sprig and text/template make of nothing, and of what they cannot read, is no value of a Secret.
func TestNothingIsNeverPutInTheSecret(t *testing.T) {
	nothing := "there is nothing to be put here: what is asked for is not there, or null"
	given := " is given nothing: what it is given is not there, or null"
	for text, said := range map[string]string{
		`{{ index . "typo" }}`:                      nothing,
		`{{ index .  "typo" | upper }}`:             "there is no value where a string is expected",
		`{{ index . "typo" | quote }}`:              "quote" + given,
		`{{ index . "typo" | printf "%s" }}`:        "printf" + given,
		`{{ print (index . "typo") }}`:              "print" + given,
		`{{ index . "typo" | toJson }}`:             "toJson" + given,
		`{{ list (index . "typo") | first }}`:       nothing,
		`{{ cat "a" (index . "typo") }}`:            "cat" + given,
		`{{ $x := index . "typo" }}{{ $x }}`:        nothing,
		`{{ get (.good | fromJson) "typo" }}`:       nothing,
		`{{ get . "key" }}`:                         "a value of type map[string]string stands where a map[string]interface {} is expected",
		`{{ (.good | fromJson).null }}`:             nothing,
		`{{ (.good | fromJson).typo }}`:             `there is no key "typo"`,
		`{{ index (.good | fromJson) "list" 7 }}`:   "index is asked for an item that is not there",
		`{{ index .key "a" }}`:                      "index is asked for an item that is not there",
		`{{ index 5 0 }}`:                           "index is asked for an item of what has none",
		`{{ index . 0 }}`:                           "index is given a key of another kind than the map has",
		`{{ .bad | fromJson }}`:                     "fromJson fails on what it is given (what it says may hold a value and is not shown)",
		`{{ .bad | fromYaml }}`:                     "fromYaml is given what is no mapping in YAML",
		`{{ "!!" | b64dec }}`:                       "b64dec is given what is no base64",
		`{{ "1" | b32dec }}`:                        "b32dec is given what is no base32",
		`{{ "x" | atoi }}`:                          "atoi is given a text that is no number",
		`{{ .key | int }}`:                          "int is given a text that is no number",
		`{{ "" | int64 }}`:                          "int64 is given a text that is no number",
		`{{ .key | float64 }}`:                      "float64 is given a text that is no number",
		`{{ add 1 .key }}`:                          "add is given a text that is no number",
		`{{ mulf 1 .key }}`:                         "mulf is given a text that is no number",
		`{{ add 1 (index . "typo") }}`:              "add" + given,
		`{{ "9" | toDecimal }}`:                     "toDecimal is given what is no octal number",
		`{{ regexMatch "(" .key }}`:                 "regexMatch fails on what it is given (what it says may hold a value and is not shown)",
		`{{ toDate "2006" .key }}`:                  "toDate fails on what it is given (what it says may hold a value and is not shown)",
		`{{ repeat 99 "x" | bcrypt }}`:              "bcrypt fails on what it is given",
		`{{ htpasswd "a:b" .key }}`:                 "htpasswd fails on what it is given",
		`{{ htpasswd "a" (repeat 99 "x") }}`:        "htpasswd fails on what it is given",
		`{{ genPrivateKey .key }}`:                  "genPrivateKey fails on what it is given",
		`{{ derivePassword 1 "none" "a" "b" "c" }}`: "derivePassword fails on what it is given",
		`{{ if true }}{{ range list 1 }}{{ with 1 }}{{ index $ "typo" }}{{ end }}{{ end }}{{ end }}`: nothing,
		`{{ if false }}{{ else }}{{ index . "typo" }}{{ end }}`:                                      nothing,
		`{{ define "t" }}{{ . }}{{ end }}{{ template "t" }}`:                                         nothing,
	} {
		out, failed := rendered(t, "external-secrets", 1000, text, "key", "planted", "good", `{"a":1,"null":null,"list":[1]}`, "bad", "{planted")
		if failed == nil {
			t.Errorf("%s was rendered: %q", text, out)
		} else if !strings.HasSuffix(failed.Message, ": "+said) {
			t.Errorf("%s\n got  %s\n want %s", text, failed.Message, said)
		}
	}
}

func TestNothingMayBeAskedFor(t *testing.T) {
	for text, want := range map[string]string{
		`{{ index . "typo" | default "d" }}`:                "d",
		`{{ index . "typo" "deeper" | default "d" }}`:       "d",
		`{{ get (.good | fromJson) "typo" | default "d" }}`: "d",
		`{{ coalesce (index . "typo") .key }}`:              "value",
		`{{ with index . "typo" }}x{{ else }}y{{ end }}`:    "y",
		`{{ if index . "typo" }}x{{ end }}`:                 "",
		`{{ if empty (index . "typo") }}x{{ end }}`:         "x",
		`{{ if eq (index . "typo") "a" }}x{{ end }}`:        "",
		`{{ and .key (index . "typo") | default "d" }}`:     "d",
		`{{ or (index . "typo") .key }}`:                    "value",
		`{{ not (index . "typo") }}`:                        "true",
		`{{ $x := index . "typo" }}{{ if $x }}x{{ end }}`:   "",
		`{{ (.good | fromJson).null | default "d" }}`:       "d",
		`{{ kindOf (index . "typo") }}`:                     "invalid",
		`{{ dig "typo" "d" (.good | fromJson) }}`:           "d",
		`{{ index . "key" | upper }}|{{ index .key 0 }}`:    "VALUE|118",
		`{{ index (.good | fromJson) "list" 0 }}`:           "1",
		`{{ index (list "a" "b") 1 }}|{{ index . }}`:        "b|map[bad:{ empty: good:{\"a\":1,\"null\":null,\"list\":[1]} key:value]",
		`{{ list 1 (index . "typo") | toJson }}`:            "[1,null]",
		`{{ .empty }}{{ .empty | b64dec }}`:                 "",
		`{{ "12" | int }}|{{ "12.00" | int }}|{{ "0x10" | int64 }}|{{ "1.5e3" | float64 }}|{{ add 1 "2" }}|{{ "0777" | toDecimal }}`: "12|12|16|1500|3|511",
		`{{ (htpasswd "a" "b") | trunc 6 }}|{{ bcrypt "b" | trunc 4 }}`:                                                              "a:$2a$|$2a$",
		`{{ $x := 1 }}{{ $x = add $x 1 }}{{ $x }}`:                                                                                   "2",
	} {
		out, failed := rendered(t, "external-secrets", 1000, text, "key", "value", "good", `{"a":1,"null":null,"list":[1]}`, "bad", "{", "empty", "")
		if failed != nil {
			t.Errorf("%s: %s", text, failed.Message)
		} else if out != want {
			t.Errorf("%s\n got  %q\n want %q", text, out, want)
		}
	}
}

func TestSealedSecretsAreAsBitnamiHasThem(t *testing.T) {
	text := `{{ index . "typo" }}|{{ "!!" | b64dec }}|{{ fromJson "{" }}|{{ "x" | atoi }}`
	if out, _ := rendered(t, "sealed-secrets", 1000, text); out != "|illegal base64 data at input byte 0|<no value>|0" {
		t.Errorf("Sealed Secrets gave %q", out)
	}
}
