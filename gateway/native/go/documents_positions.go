package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func init() {
	register("documents.positions", documentPositions)
}

// documentPositions finds the lines that paths stand in, as yaml.positions does, in a file of another format. It takes
// the parser's name, the content and the paths. Like documents.read, it is called in a child process alone.
func documentPositions(in []byte) ([]byte, error) {
	debug.SetMaxStack(maxStackBytes)
	parts, err := unframe(in)
	if err != nil || len(parts) != 3 {
		return nil, failf("frames", "documents.positions takes a parser's name, a content and paths")
	}
	var paths [][]any
	if err := json.Unmarshal(parts[2], &paths); err != nil {
		return nil, err
	}
	find := func([]any) int { return 1 }
	switch string(parts[0]) {
	case "dockerfile":
		find = dockerfileLines(parts[1])
	case "hcl2":
		find = hclLines(parts[1])
	case "toml", "ini", "dotenv", "properties":
		find = keyLines(parts[1])
	}
	lines := make([]int, len(paths))
	for index, path := range paths {
		lines[index] = find(path)
	}
	return json.Marshal(lines)
}

// dockerfileLines knows the line of each element of the list that a Dockerfile is read as: a comment is one too.
func dockerfileLines(content []byte) func([]any) int {
	var starts []int
	if read, err := parser.Parse(bytes.NewReader(content)); err == nil {
		for _, child := range read.AST.Children {
			for range child.PrevComment {
				starts = append(starts, child.StartLine)
			}
			starts = append(starts, child.StartLine)
		}
	}
	return func(path []any) int {
		if len(path) > 0 {
			if index, ok := path[0].(float64); ok && index >= 0 && int(index) < len(starts) {
				return starts[int(index)]
			}
		}
		return 1
	}
}

// hclLines follows paths through blocks, by type, labels and index, and into attributes.
func hclLines(content []byte) func([]any) int {
	file, _ := hclsyntax.ParseConfig(content, "", hcl.Pos{Line: 1, Column: 1})
	return func(path []any) int {
		if file == nil {
			return 1
		}
		body, _ := file.Body.(*hclsyntax.Body)
		return inBody(body, path, 1)
	}
}

func inBody(body *hclsyntax.Body, path []any, line int) int {
	if body == nil || len(path) == 0 {
		return line
	}
	name, _ := path[0].(string)
	if attribute, found := body.Attributes[name]; found {
		return inExpression(attribute.Expr, path[1:], attribute.SrcRange.Start.Line)
	}
	var blocks []*hclsyntax.Block
	for _, block := range body.Blocks {
		if block.Type == name {
			blocks = append(blocks, block)
		}
	}
	return inBlocks(blocks, path[1:], 0, line)
}

// inBlocks chooses among blocks of one type by further labels, then by index. Without an index it is the first one.
func inBlocks(blocks []*hclsyntax.Block, path []any, labels, line int) int {
	if len(blocks) == 0 {
		return line
	}
	line = blocks[0].DefRange().Start.Line
	if len(path) == 0 {
		return line
	}
	if index, ok := path[0].(float64); ok {
		if index < 0 || int(index) >= len(blocks) {
			return line
		}
		block := blocks[int(index)]
		return inBody(block.Body, path[1:], block.DefRange().Start.Line)
	}
	if len(blocks[0].Labels) <= labels {
		return inBody(blocks[0].Body, path, line)
	}
	labelled := slices.DeleteFunc(slices.Clone(blocks), func(block *hclsyntax.Block) bool {
		return len(block.Labels) <= labels || block.Labels[labels] != path[0]
	})
	return inBlocks(labelled, path[1:], labels+1, line)
}

func inExpression(expression hclsyntax.Expression, path []any, line int) int {
	if len(path) == 0 {
		return line
	}
	switch expression := expression.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range expression.Items {
			if key, _ := item.KeyExpr.Value(nil); key.IsKnown() && !key.IsNull() && key.Type().FriendlyName() == "string" && key.AsString() == path[0] {
				return inExpression(item.ValueExpr, path[1:], item.KeyExpr.StartRange().Start.Line)
			}
		}
	case *hclsyntax.TupleConsExpr:
		if index, ok := path[0].(float64); ok && index >= 0 && int(index) < len(expression.Exprs) {
			below := expression.Exprs[int(index)]
			return inExpression(below, path[1:], below.StartRange().Start.Line)
		}
	}
	return line
}

var (
	sectionLine = regexp.MustCompile(`^\s*\[+\s*([^\]]+?)\s*\]+`)
	keyLine     = regexp.MustCompile(`^\s*(?:export\s+)?([^=:#;\s][^=:]*?)\s*[=:]`)
)

// keyLines follows names through sections and keys that stand at the beginning of their lines: the line whose
// section and key are the path, or most of its beginning. Of several tables of one name it finds the first.
func keyLines(content []byte) func([]any) int {
	type place struct {
		names []string
		line  int
	}
	var places []place
	var section []string
	for number, line := range strings.Split(string(content), "\n") {
		if found := sectionLine.FindStringSubmatch(line); found != nil {
			section = dotted(found[1])
			places = append(places, place{section, number + 1})
		} else if found := keyLine.FindStringSubmatch(line); found != nil {
			places = append(places, place{slices.Concat(section, dotted(found[1])), number + 1})
		}
	}
	return func(path []any) int {
		var names []string
		for _, step := range path {
			if name, ok := step.(string); ok {
				names = append(names, dotted(name)...)
			}
		}
		line, most := 1, 0
		for _, place := range places {
			if count := len(place.names); count > most && count <= len(names) && slices.Equal(place.names, names[:count]) {
				line, most = place.line, count
			}
		}
		return line
	}
}

// dotted splits a name at its dots, and takes quotation marks away.
func dotted(name string) []string {
	var names []string
	for part := range strings.SplitSeq(name, ".") {
		names = append(names, strings.Trim(strings.TrimSpace(part), `"'`))
	}
	return names
}
