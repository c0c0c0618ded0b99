package main

import (
	"fmt"
	"reflect"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// withheldFunctions are those of sprig and of External Secrets that reach beyond the template, by what they reach.
var withheldFunctions = map[string]string{
	"env":           "the environment",
	"expandenv":     "the environment",
	"getHostByName": "the network",
	"getSecretKey":  "other Secrets of the cluster",
}

// What one call of a function may give, or be asked for.
const (
	maxStringBytes = 16 << 20
	maxItems       = 100_000
)

// builtIns are text/template's own that make text, which must be bounded too.
var builtIns = template.FuncMap{
	"print":    fmt.Sprint,
	"printf":   fmt.Sprintf,
	"println":  fmt.Sprintln,
	"html":     template.HTMLEscaper,
	"js":       template.JSEscaper,
	"urlquery": template.URLQueryEscaper,
}

// amplifiers say how much a function is asked to make, before it does; the number of bytes or of items.
var amplifiers = map[string]func(arguments []reflect.Value) int{
	"repeat":       func(given []reflect.Value) int { return product(given[0], given[1].Len()) },
	"indent":       padding,
	"nindent":      padding,
	"wrapWith":     wrapping,
	"replace":      replacing,
	"randBytes":    count,
	"randAlphaNum": count,
	"randAlpha":    count,
	"randAscii":    count,
	"randNumeric":  count,
	"until":        func(given []reflect.Value) int { return items(steps(reflect.ValueOf(0), given[0], reflect.ValueOf(1))) },
	"untilStep":    func(given []reflect.Value) int { return items(steps(given[0], given[1], given[2])) },
	"seq":          sequence,
}

// bounded is sprig with a controller's own functions, each of which ends with an error instead of a result that is
// larger than it may be. What is left is bounded by the memory of the helper process.
func bounded(own template.FuncMap) template.FuncMap {
	all := template.FuncMap{}
	for _, functions := range []template.FuncMap{builtIns, own, sprig.TxtFuncMap()} {
		for name, function := range functions {
			if _, withheld := withheldFunctions[name]; !withheld {
				all[name] = boundedFunction(name, function)
			}
		}
	}
	all["fail"] = func(said string) (string, error) { return "", &onPurpose{said} }
	return all
}

func boundedFunction(name string, function any) any {
	called := reflect.ValueOf(function)
	kind := called.Type()
	asked := amplifiers[name]
	return reflect.MakeFunc(kind, func(arguments []reflect.Value) []reflect.Value {
		if asked != nil && asked(arguments) > maxStringBytes {
			panic(limit("is asked for more than it may make"))
		}
		call := called.Call
		if kind.IsVariadic() {
			call = called.CallSlice
		}
		results := call(arguments)
		if oversize(results[0]) {
			panic(limit("makes more than it may"))
		}
		return results
	}).Interface()
}

// oversize says whether a result is too large.
func oversize(result reflect.Value) bool {
	if result.Kind() == reflect.Interface {
		result = result.Elem()
	}
	switch result.Kind() {
	case reflect.String:
		return result.Len() > maxStringBytes
	case reflect.Slice, reflect.Map:
		return result.Len() > maxItems
	}
	return false
}

func count(given []reflect.Value) int { return int(given[0].Int()) }

// items weighs items so that maxItems of them are maxStringBytes.
func items(number int) int { return product(reflect.ValueOf(number), maxStringBytes/maxItems) }

// product of a count and a length; what overflows is simply too much.
func product(count reflect.Value, length int) int {
	times := int(count.Int())
	if times <= 0 || length == 0 {
		return 0
	}
	if times > maxStringBytes || length > maxStringBytes {
		return maxStringBytes + 1
	}
	return times * length
}

// replacing is what "replace" adds, old by new in a text.
func replacing(given []reflect.Value) int {
	times := strings.Count(given[2].String(), given[0].String())
	return product(reflect.ValueOf(times), given[1].Len())
}

// wrapping is what "wrapWith" adds, a separator after so many characters of a text.
func wrapping(given []reflect.Value) int {
	lines := given[2].Len()/int(max(given[0].Int(), 1)) + 1
	return product(reflect.ValueOf(lines), given[1].Len())
}

func padding(given []reflect.Value) int {
	lines := 1
	for _, character := range given[1].String() {
		if character == '\n' {
			lines++
		}
	}
	return product(given[0], lines)
}

func steps(from, to, step reflect.Value) int {
	width := step.Int()
	if width == 0 {
		return 0
	}
	number := (to.Int() - from.Int()) / width
	return int(max(number, -number))
}

// sequence is how many numbers "seq" writes.
func sequence(given []reflect.Value) int {
	numbers, one := given[0], reflect.ValueOf(1)
	switch numbers.Len() {
	case 1:
		return items(steps(one, numbers.Index(0), one))
	case 2:
		return items(steps(numbers.Index(0), numbers.Index(1), one))
	case 3:
		return items(steps(numbers.Index(0), numbers.Index(2), numbers.Index(1)))
	}
	return 0
}
