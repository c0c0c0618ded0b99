package main

import (
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

func init() {
	register("yaml.positions", yamlPositions)
}

// yamlPositions finds the lines that paths of one document stand in, counted from its first line. It takes the
// document, and the paths: of field names, list indices, and objects whose members a list element has. A path that is
// not there is where its longest existing part is.
func yamlPositions(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "yaml.positions takes a document and paths")
	}
	var paths [][]any
	if err := json.Unmarshal(parts[1], &paths); err != nil {
		return nil, err
	}
	lines := make([]int, len(paths))
	var document yaml.Node
	readable := yaml.Unmarshal(parts[0], &document) == nil && len(document.Content) == 1
	for index, path := range paths {
		lines[index] = 1
		if readable {
			lines[index] = lineOf(document.Content[0], path)
		}
	}
	return json.Marshal(lines)
}

func lineOf(node *yaml.Node, path []any) int {
	line := node.Line
	for _, step := range path {
		for node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		at, value := child(node, step)
		if value == nil {
			return line
		}
		line, node = at, value
	}
	return line
}

// child is what a step leads to, and the line where it begins: of a field that is its name.
func child(node *yaml.Node, step any) (int, *yaml.Node) {
	switch step := step.(type) {
	case string:
		if node.Kind != yaml.MappingNode {
			return 0, nil
		}
		for index := 0; index+1 < len(node.Content); index += 2 {
			if node.Content[index].Value == step {
				return node.Content[index].Line, node.Content[index+1]
			}
		}
	case float64:
		if index := int(step); node.Kind == yaml.SequenceNode && index >= 0 && index < len(node.Content) {
			return node.Content[index].Line, node.Content[index]
		}
	case map[string]any:
		if node.Kind != yaml.SequenceNode {
			return 0, nil
		}
		for _, element := range node.Content {
			if has(element, step) {
				return element.Line, element
			}
		}
	}
	return 0, nil
}

// has tells whether a mapping has these members, compared by their text.
func has(element *yaml.Node, members map[string]any) bool {
	for name, wanted := range members {
		_, value := child(element, name)
		text, isText := wanted.(string)
		if value == nil || !isText || value.Value != text {
			return false
		}
	}
	return true
}
