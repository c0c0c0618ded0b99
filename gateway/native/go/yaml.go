package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	goyaml "go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func init() {
	register("yaml.documents", yamlDocuments)
}

// yamlFile is what a file holds: the line that each document begins in, and why reading ended early, if it did.
type yamlFile struct {
	Lines     []int        `json:"lines"`
	Problem   *yamlProblem `json:"problem,omitempty"`
	documents [][]byte
}

type yamlProblem struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// yamlDocuments reads files as Kubernetes' clients do: strictly, documents split by "---" lines, or a stream of JSON
// objects. It takes a frame for each file, and gives for each a frame with a yamlFile, followed by a frame with JSON
// for each document. Documents without content are left out.
func yamlDocuments(in []byte) ([]byte, error) {
	files, err := unframe(in)
	if err != nil {
		return nil, err
	}
	read := make([]*yamlFile, len(files))
	var next sync.Mutex
	var group sync.WaitGroup
	var caught error
	at := 0
	for range min(len(files), runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			err := guarded(func() error {
				for {
					next.Lock()
					mine := at
					at++
					next.Unlock()
					if mine >= len(files) {
						return nil
					}
					read[mine] = readFile(files[mine])
				}
			})
			if err != nil {
				next.Lock()
				caught = err
				next.Unlock()
			}
		})
	}
	group.Wait()
	if caught != nil {
		return nil, caught
	}
	var out []byte
	for _, file := range read {
		head, err := json.Marshal(file)
		if err != nil {
			return nil, err
		}
		out = appendFrame(out, head)
		for _, document := range file.documents {
			out = appendFrame(out, document)
		}
	}
	return out, nil
}

func readFile(content []byte) *yamlFile {
	file := &yamlFile{Lines: []int{}}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if start := bytes.TrimLeft(content, " \t\r\n"); len(start) > 0 && start[0] == '{' && file.readJSON(content) {
		return file
	}
	file.Lines, file.documents = []int{}, nil
	file.readYAML(content)
	return file
}

// readJSON reads a stream of JSON objects; false if it is none, and may be YAML in flow style.
func (file *yamlFile) readJSON(content []byte) bool {
	if file.readPlainJSON(content) {
		return true
	}
	file.Lines, file.documents = []int{}, nil
	return file.readAnyJSON(content)
}

// readAnyJSON reads the stream as Kubernetes does, and says what is wrong with it.
func (file *yamlFile) readAnyJSON(content []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		var document json.RawMessage
		err := decoder.Decode(&document)
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		end := int(decoder.InputOffset())
		line := 1 + bytes.Count(content[:end-len(document)], []byte("\n"))
		var value any
		strict, err := kjson.UnmarshalStrict(document, &value)
		if err == nil && len(strict) > 0 {
			err = strict[0]
		}
		if err != nil {
			file.Problem = &yamlProblem{line, err.Error()}
			return true
		}
		file.add(line, document)
	}
}

// readPlainJSON reads the stream in one pass; false where something in it needs a closer look.
func (file *yamlFile) readPlainJSON(content []byte) bool {
	p := plainJSON{data: string(content), strict: true}
	line, counted := 1, 0
	for p.next() == '{' {
		start := p.at
		if !p.skip() {
			return false
		}
		line += bytes.Count(content[counted:start], []byte("\n"))
		counted = start
		file.add(line, content[start:p.at:p.at])
	}
	return p.at == len(p.data)
}

// readYAML splits documents as k8s.io/apimachinery's YAMLReader does: at lines that begin with "---", after which
// only a comment may stand.
func (file *yamlFile) readYAML(content []byte) {
	start, first := 0, 1
	for at, line := 0, 1; at <= len(content); line++ {
		end := len(content)
		if newline := bytes.IndexByte(content[at:], '\n'); newline >= 0 {
			end = at + newline
		}
		text := content[at:end]
		after, separates := bytes.CutPrefix(text, []byte("---"))
		if rest := bytes.TrimSpace(after); separates && len(rest) > 0 && rest[0] != '#' {
			file.Problem = &yamlProblem{line, "nothing but a comment may follow the --- that separates documents"}
			return
		}
		last := end == len(content)
		if separates || last {
			document := content[start:at]
			if last && !separates {
				document = content[start:]
			}
			if !file.convert(document, first) {
				return
			}
			start, first = min(end+1, len(content)), line+1
		}
		if last {
			return
		}
		at = end + 1
	}
}

// convert adds the document that begins in a line, if it has content; false if it cannot be read.
func (file *yamlFile) convert(document []byte, line int) bool {
	converted, err := yaml.YAMLToJSONStrict(document)
	if err != nil && strings.Contains(err.Error(), "already set in map") && !hasKeyTwice(document) {
		// The strict reader takes a key that stands beside a merge (<<) of the same one for a second key.
		converted, err = yaml.YAMLToJSON(document)
	}
	if err != nil {
		file.Problem = problemAt(err, line)
		return false
	}
	if !bytes.Equal(converted, []byte("null")) {
		file.add(line+leadingLines(document), converted)
	}
	return true
}

// hasKeyTwice tells whether a mapping states a key twice, what it merges left aside; true too if that cannot be told.
func hasKeyTwice(document []byte) bool {
	var root goyaml.Node
	return goyaml.Unmarshal(document, &root) != nil || keyTwice(&root)
}

func keyTwice(node *goyaml.Node) bool {
	if node.Kind == goyaml.MappingNode {
		seen := map[string]bool{}
		for index := 0; index < len(node.Content); index += 2 {
			key := node.Content[index]
			if key.Kind != goyaml.ScalarNode || seen[key.Value] {
				return true
			}
			seen[key.Value] = true
		}
	}
	return slices.ContainsFunc(node.Content, keyTwice)
}

func (file *yamlFile) add(line int, document []byte) {
	file.Lines = append(file.Lines, line)
	file.documents = append(file.documents, document)
}

// leadingLines counts the lines before the first that is neither empty nor a comment.
func leadingLines(document []byte) int {
	count := 0
	for {
		line, rest, more := bytes.Cut(document, []byte("\n"))
		text := bytes.TrimSpace(line)
		if !more || (len(text) > 0 && text[0] != '#') {
			return count
		}
		count++
		document = rest
	}
}

var lineNumber = regexp.MustCompile(`line (\d+): `)

// problemAt is a parser's error with its line counted in the file, not in the document that begins in line first.
func problemAt(err error, first int) *yamlProblem {
	text := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}
	text, _, _ = strings.Cut(text, "\n")
	line := first
	if found := lineNumber.FindStringSubmatch(text); found != nil {
		number, _ := strconv.Atoi(found[1])
		line = first + max(number-1, 0)
		text = strings.Replace(text, found[0], "", 1)
	}
	return &yamlProblem{line, fmt.Sprintf("not readable as YAML: %s", text)}
}
