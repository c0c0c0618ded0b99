package main

import (
	"encoding/json"
	"testing"
)

func rendered(t *testing.T, dialect string, outputBytes int, text string, values ...string) (string, *failure) {
	t.Helper()
	request, err := json.Marshal(templateRequest{dialect, outputBytes})
	if err != nil {
		t.Fatal(err)
	}
	in := appendFrame(appendFrame(nil, request), []byte(text))
	for _, part := range values {
		in = appendFrame(in, []byte(part))
	}
	status, out := run("templates.render", in)
	if status == statusOK {
		return string(out), nil
	}
	var failed failure
	if err := json.Unmarshal(out, &failed); err != nil {
		t.Fatalf("status %d, output %q", status, out)
	}
	return "", &failed
}

func TestAMissingKeyIsAnErrorForExternalSecretsAlone(t *testing.T) {
	if _, failed := rendered(t, "external-secrets", 100, "{{ .no }}", "yes", "value"); failed == nil {
		t.Error("External Secrets rendered a missing key")
	}
	if out, _ := rendered(t, "sealed-secrets", 100, "{{ .no }}", "yes", "value"); out != "<no value>" {
		t.Errorf("Sealed Secrets gave %q", out)
	}
}

func TestNoErrorOfTextTemplateIsUnknown(t *testing.T) {
	for text, said := range map[string]string{
		"{{ .no }}":                            `line 1, column 4: there is no key "no"`,
		"\n {{ .key.no }}":                     `line 2, column 9: what it is asked of has no field "no": its type is string`,
		"{{ upper }}":                          `line 1, column 4: upper takes 1 arguments, and is given 0`,
		"{{ upper 1.5 }}":                      `line 1, column 10: what is given is no string`,
		"{{ upper (list .key) }}":              `line 1, column 16: a value of type []interface {} stands where a string is expected`,
		"{{ range .key }}{{ end }}":            `line 1, column 10: what range is given is neither a list nor a map`,
		`{{ template "other" }}`:               `line 1, column 13: there is no template "other"`,
		`{{ mustFromJson .key }}`:              `line 1, column 4: mustFromJson fails on what it is given (what it says may hold a value and is not shown)`,
		`{{ fail .key }}`:                      `line 1, column 4: fails on purpose (what it says may hold a value and is not shown)`,
		"{{ fail \"too\\nshort\" }}":           `line 1, column 4: fails on purpose: too short`,
		"{{ .key | pkcs12key }}":               `line 1, column 11: pkcs12key cannot open the PKCS#12 archive: it is none, or the password is wrong`,
		"{{ fail \"\\x1b[2Jred\" }}":           `line 1, column 4: fails on purpose: [2Jred`,
		"{{ nosuch .key }}":                    `line 1: there is no function "nosuch"`,
		"{{ $no }}":                            `line 1: there is no variable "$no"`,
		`{{ env "HOME" }}`:                     `line 1: the function "env" is not offered: it reaches the environment`,
		`{{ getHostByName "x" }}`:              `line 1: the function "getHostByName" is not offered: it reaches the network`,
		"{{ .key ":                             `line 1: something is not closed: an action, a string, a comment or a block`,
		"{{ if .key }}":                        `line 1: something is not closed: an action, a string, a comment or a block`,
		`{{ "secret }}`:                        `line 1: something is not closed: an action, a string, a comment or a block`,
		"{{ end }}":                            `line 1: end without the block that it belongs to`,
		"{{ if }}{{ end }}":                    `line 1: if without a value`,
		"{{ (.key }}":                          `line 1: the parentheses do not match`,
		`{{ .key | "secret" }}`:                `line 1: stage 2 of a pipeline is no function`,
		"{{ 12secret }}":                       `line 1: a number is not written as one`,
		"{{ .key ? }}":                         `line 1: the syntax is wrong`,
		"{{ break }}":                          `line 1: break outside of a range`,
		`{{ repeat 1000000000 "x" }}`:          `line 1, column 4: repeat is asked for more than it may make`,
		"{{ range until 999999999 }}{{ end }}": `line 1, column 10: until is asked for more than it may make`,
		"{{ seq 1 1 999999999 }}":              `line 1, column 4: seq is asked for more than it may make`,
		`{{ repeat 200 "x" }}`:                 `makes more than it may`,
		`{{ $x := "0123456789" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}`: `line 1, column 53: cat makes more than it may`,
	} {
		_, failed := rendered(t, "external-secrets", 100, text, "key", "value of a secret")
		if failed == nil {
			t.Errorf("%s was rendered", text)
		} else if failed.Message != said {
			t.Errorf("%s\n got  %s\n want %s", text, failed.Message, said)
		}
	}
}

func TestWhatReachesBeyondATemplateIsInNoDialect(t *testing.T) {
	for name, chosen := range dialects {
		for withheld := range withheldFunctions {
			if _, offered := chosen.functions()[withheld]; offered {
				t.Errorf("%s offers %s", name, withheld)
			}
		}
	}
}
