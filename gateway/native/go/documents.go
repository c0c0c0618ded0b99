package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/open-policy-agent/conftest/parser/codeowners"
	"github.com/open-policy-agent/conftest/parser/docker"
	dotenv "github.com/open-policy-agent/conftest/parser/dotenv"
	"github.com/open-policy-agent/conftest/parser/edn"
	"github.com/open-policy-agent/conftest/parser/hcl1"
	"github.com/open-policy-agent/conftest/parser/hcl2"
	"github.com/open-policy-agent/conftest/parser/hocon"
	"github.com/open-policy-agent/conftest/parser/ignore"
	"github.com/open-policy-agent/conftest/parser/ini"
	"github.com/open-policy-agent/conftest/parser/jsonc"
	"github.com/open-policy-agent/conftest/parser/nginx"
	"github.com/open-policy-agent/conftest/parser/properties"
	"github.com/open-policy-agent/conftest/parser/toml"
	"github.com/open-policy-agent/conftest/parser/vcl"
	"github.com/open-policy-agent/conftest/parser/xml"
)

func init() {
	register("documents.read", readDocuments)
}

// documentParsers are Conftest's own, by the names that it gives them. Those that evaluate programs (CUE, Jsonnet) or
// are large for what they read (Groovy, protobuf, SPDX, CycloneDX) are left out; YAML and JSON are read as Kubernetes
// does, by yaml.documents.
var documentParsers = map[string]interface{ Unmarshal([]byte, any) error }{
	"codeowners": &codeowners.Parser{},
	"dockerfile": &docker.Parser{},
	"dotenv":     &dotenv.Parser{},
	"edn":        &edn.Parser{},
	"hcl1":       &hcl1.Parser{},
	"hcl2":       &hcl2.Parser{},
	"hocon":      &hocon.Parser{},
	"ignore":     &ignore.Parser{},
	"ini":        &ini.Parser{},
	"jsonc":      &jsonc.Parser{},
	"nginx":      &nginx.Parser{},
	"properties": &properties.Parser{},
	"toml":       &toml.Parser{},
	"vcl":        &vcl.Parser{},
	"xml":        &xml.Parser{},
}

// maxStackBytes ends a child whose parser recurses: enough for tens of thousands of levels.
const maxStackBytes = 128 << 20

// readDocuments reads one file as Conftest does. It takes the parser's name and the content, and gives a frame of JSON
// for each document: the elements of a list at the top are documents of their own, as Conftest has it. A file that
// cannot be read is a failure with the code "unreadable", and the line as its details.
//
// A parser may recurse or allocate without bound: this is called in a child process alone.
func readDocuments(in []byte) ([]byte, error) {
	debug.SetMaxStack(maxStackBytes)
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "documents.read takes a parser's name and a content")
	}
	chosen, known := documentParsers[string(parts[0])]
	if !known {
		return nil, failf("parser", "there is no parser %q", parts[0])
	}
	var value any
	if err := chosen.Unmarshal(parts[1], &value); err != nil {
		return nil, unreadable(parts[1], err)
	}
	documents, several := value.([]any)
	if !several {
		documents = []any{value}
	}
	var out []byte
	for _, document := range documents {
		var encoded bytes.Buffer
		encoder := json.NewEncoder(&encoded)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(document); err != nil {
			return nil, unreadable(parts[1], err)
		}
		out = appendFrame(out, bytes.TrimSuffix(encoded.Bytes(), []byte("\n")))
	}
	return out, nil
}

var (
	statedLine = regexp.MustCompile(`\bline:? (\d+)\b|^\[?:(\d+),\d+|^At (\d+):\d+`)
	wrappings  = regexp.MustCompile(`^(?:(?:convert to bytes|parse config|unmarshal \w+|parse \w+(?: file)?|process dockerfile instructions|read [.\w]+ file|toml|dockerfile parse error on line \d+): )+`)
	places     = regexp.MustCompile(`^\[?:\d+,\d+-(?:\d+,)?\d+: |\]$`)
	further    = regexp.MustCompile(` :\d+,\d+-.*$`)
	quotations = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|'[^']*'")
	bare       = regexp.MustCompile(`(unknown instruction|delimiter not found): .*$`)
)

// unreadable is a parser's error with the line that it states, 0 if it states none. What it quotes is left out: it may be
// the value of a secret.
func unreadable(content []byte, err error) error {
	text := err.Error()
	line := lineOfError(content, err)
	text = wrappings.ReplaceAllString(strings.Join(strings.Fields(text), " "), "")
	text = further.ReplaceAllString(text, "")
	text = places.ReplaceAllString(places.ReplaceAllString(text, ""), "")
	text = bare.ReplaceAllString(text, "$1")
	text = quotations.ReplaceAllStringFunc(text, func(quoted string) string {
		if strings.ContainsFunc(quoted, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return quoted[:1] + "…" + quoted[:1]
		}
		return quoted
	})
	return &failure{Code: "unreadable", Message: fmt.Sprintf("%.300s", text), Details: line}
}

func lineOfError(content []byte, err error) int {
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		return located.Locations[0][0].Start.Line
	}
	text := err.Error()
	_, diagnostic, _ := strings.Cut(text, "parse config: ")
	for _, candidate := range []string{diagnostic, text} {
		if found := statedLine.FindStringSubmatch(candidate); found != nil {
			line, _ := strconv.Atoi(found[1] + found[2] + found[3])
			return line
		}
	}
	// Readers of INI and of .env files quote the line instead.
	_, quoted, found := strings.Cut(text, "delimiter not found: ")
	if !found {
		_, quoted, _ = strings.Cut(text, "line `")
		quoted, _, found = strings.Cut(quoted, "` doesn't match")
	}
	for number, line := range strings.Split(string(content), "\n") {
		if quoted = strings.TrimSpace(quoted); found && quoted != "" && strings.TrimSpace(line) == quoted {
			return number + 1
		}
	}
	return 0
}
