package main

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	nodes "text/template/parse"

	"github.com/Masterminds/sprig/v3"
	"github.com/spf13/cast"
	"sigs.k8s.io/yaml"
)

// Sprig and text/template put something in the place of what is not there, or cannot be read: an empty text, zero,
// "<no value>", the words of an error. In a Secret that would be a value. In a strict dialect it ends with an error, by
// three rules:
//
//   - what reads, ends with an error if it cannot;
//   - what looks up, gives nothing if there is nothing; that may be asked (if, with, default, empty, …),
//   - but neither be printed nor given to what would make a text of it.

// strictFunctions take the place of those of the same name.
var strictFunctions = template.FuncMap{
	"index":        indexed,
	"get":          func(from map[string]any, key string) any { return from[key] },
	"fromJson":     sprigFunction("mustFromJson"),
	"toJson":       sprigFunction("mustToJson"),
	"toPrettyJson": sprigFunction("mustToPrettyJson"),
	"toRawJson":    sprigFunction("mustToRawJson"),
	"regexMatch":   sprigFunction("mustRegexMatch"),
	"toDate":       sprigFunction("mustToDate"),
	"dateModify":   sprigFunction("mustDateModify"),
	"date_modify":  sprigFunction("mustDateModify"),
	"b64dec":       decoded(base64.StdEncoding.DecodeString, "base64"),
	"b32dec":       decoded(base32.StdEncoding.DecodeString, "base32"),
	"fromYaml":     strictYAML,
	"toYaml":       writtenYAML,
	"atoi":         strconvAtoi,
	"toDecimal":    octal,
	printed:        shown,
}

// printed is the function that all that is printed goes through.
const printed = "_printed"

// takesNothing are those that may be given nothing: they ask whether it is, or keep it as it is.
var takesNothing = setOf("default", "empty", "coalesce", "all", "any", "ternary", "typeOf", "typeIs", "typeIsLike", "kindOf",
	"kindIs", "deepEqual", "list", "tuple", "dict", "set", "append", "mustAppend", "push", "mustPush", "prepend", "mustPrepend",
	"has", "mustHas", "without", "mustWithout", "compact", "mustCompact", printed)

// readsNumbers are those that take a text for a number: whole ones, or any.
var readsNumbers = map[string]func(any) error{}

func init() {
	whole := func(value any) error { _, err := cast.ToInt64E(value); return err }
	other := func(value any) error { _, err := cast.ToFloat64E(value); return err }
	for name := range setOf("int", "int64", "add", "add1", "sub", "div", "mod", "mul", "max", "min", "biggest") {
		readsNumbers[name] = whole
	}
	for name := range setOf("float64", "addf", "add1f", "subf", "divf", "mulf", "maxf", "minf", "ceil", "floor", "round") {
		readsNumbers[name] = other
	}
}

// complaints are how texts begin that are no results: sprig gives them without an error.
var complaints = map[string][]string{
	"bcrypt":         {"failed to encrypt string"},
	"derivePassword": {"failed to derive password", "cannot find password template"},
	"genPrivateKey":  {"failed to generate", "Unknown type "},
}

// strict are functions of which none gives something for nothing.
func strict(functions template.FuncMap) template.FuncMap {
	all := template.FuncMap{}
	for name, function := range functions {
		all[name] = strictFunction(name, function)
	}
	for name, function := range strictFunctions {
		all[name] = strictFunction(name, boundedFunction(name, function))
	}
	return all
}

func strictFunction(name string, function any) any {
	called := reflect.ValueOf(function)
	kind := called.Type()
	if takesNothing[name] && readsNumbers[name] == nil {
		return function
	}
	return reflect.MakeFunc(kind, func(arguments []reflect.Value) []reflect.Value {
		for _, given := range each(arguments, kind.IsVariadic()) {
			if isNothing(given) {
				panic(tell("is given nothing: what it is given is not there, or null"))
			}
			if check := readsNumbers[name]; check != nil && isText(given) && !isNumber(given, check) {
				panic(tell("is given a text that is no number"))
			}
		}
		call := called.Call
		if kind.IsVariadic() {
			call = called.CallSlice
		}
		results := call(arguments)
		if complains(name, arguments, results[0]) {
			panic(tell("fails on what it is given"))
		}
		return results
	}).Interface()
}

// each argument; those of a variadic function one by one.
func each(arguments []reflect.Value, variadic bool) []reflect.Value {
	if !variadic {
		return arguments
	}
	last := arguments[len(arguments)-1]
	all := append([]reflect.Value{}, arguments[:len(arguments)-1]...)
	for i := range last.Len() {
		all = append(all, last.Index(i))
	}
	return all
}

func isNothing(value reflect.Value) bool {
	return value.Kind() == reflect.Interface && value.IsNil()
}

func isNumber(text reflect.Value, check func(any) error) bool {
	return fmt.Sprint(text.Interface()) != "" && check(text.Interface()) == nil
}

func isText(value reflect.Value) bool {
	if value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	return value.Kind() == reflect.String
}

func complains(name string, arguments []reflect.Value, result reflect.Value) bool {
	if name == "htpasswd" {
		user := arguments[0].String()
		return strings.Contains(user, ":") || strings.HasPrefix(strings.TrimPrefix(result.String(), user+":"), complaints["bcrypt"][0])
	}
	for _, beginning := range complaints[name] {
		if strings.HasPrefix(result.String(), beginning) {
			return true
		}
	}
	return false
}

// guard makes all that is printed go through a function, as html/template does to escape it.
func guard(parsed *template.Template) {
	for _, one := range parsed.Templates() {
		if one.Tree != nil {
			guardNode(one.Tree.Root)
		}
	}
}

func guardNode(node nodes.Node) {
	switch node := node.(type) {
	case *nodes.ListNode:
		if node != nil {
			for _, one := range node.Nodes {
				guardNode(one)
			}
		}
	case *nodes.ActionNode:
		if len(node.Pipe.Decl) == 0 {
			name := nodes.NewIdentifier(printed).SetTree(nil).SetPos(node.Pipe.Pos)
			node.Pipe.Cmds = append(node.Pipe.Cmds, &nodes.CommandNode{
				NodeType: nodes.NodeCommand, Pos: node.Pipe.Pos, Args: []nodes.Node{name},
			})
		}
	case *nodes.IfNode:
		guardNode(node.List)
		guardNode(node.ElseList)
	case *nodes.RangeNode:
		guardNode(node.List)
		guardNode(node.ElseList)
	case *nodes.WithNode:
		guardNode(node.List)
		guardNode(node.ElseList)
	}
}

func shown(value any) (any, error) {
	if value == nil {
		return nil, tell("there is nothing to be put here: what is asked for is not there, or null")
	}
	return value, nil
}

// indexed is text/template's "index"; what a map does not have is nothing, not an empty text.
func indexed(item any, indexes ...any) (any, error) {
	at := reflect.ValueOf(item)
	for _, index := range indexes {
		for at.Kind() == reflect.Interface || at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		key := reflect.ValueOf(index)
		switch at.Kind() {
		case reflect.Map:
			if !key.Type().AssignableTo(at.Type().Key()) {
				return nil, tell("is given a key of another kind than the map has")
			}
			if at = at.MapIndex(key); !at.IsValid() {
				return nil, nil
			}
		case reflect.Slice, reflect.Array, reflect.String:
			if !key.CanInt() || key.Int() < 0 || key.Int() >= int64(at.Len()) {
				return nil, tell("is asked for an item that is not there")
			}
			at = at.Index(int(key.Int()))
		default:
			return nil, tell("is asked for an item of what has none")
		}
	}
	if !at.IsValid() {
		return nil, nil
	}
	return at.Interface(), nil
}

func sprigFunction(name string) any { return sprig.TxtFuncMap()[name] }

func decoded(decode func(string) ([]byte, error), what string) func(string) (string, error) {
	return func(text string) (string, error) {
		content, err := decode(text)
		if err != nil {
			return "", tell("is given what is no %s", what)
		}
		return string(content), nil
	}
}

func strictYAML(text string) (map[string]any, error) {
	value := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return nil, tell("is given what is no mapping in YAML")
	}
	return value, nil
}

func writtenYAML(value any) (string, error) {
	text, err := yaml.Marshal(value)
	if err != nil {
		return "", tell("cannot write this in YAML")
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

func strconvAtoi(text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, tell("is given a text that is no number")
	}
	return number, nil
}

func octal(value any) (int64, error) {
	number, err := strconv.ParseInt(cast.ToString(value), 8, 64)
	if err != nil {
		return 0, tell("is given what is no octal number")
	}
	return number, nil
}

func setOf(names ...string) map[string]bool {
	found := make(map[string]bool, len(names))
	for _, name := range names {
		found[name] = true
	}
	return found
}
