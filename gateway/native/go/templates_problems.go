package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// text/template's errors quote what they are about: arguments, results of functions, whatever functions say of their
// input. Any of it may be the value of a secret, so no error is passed on. It is recognised, and told anew from the
// position and from what is known to come of the template's text or of Go's types: names, types and numbers.

var (
	parsing   = regexp.MustCompile(`(?s)^template: ` + templateName + `:(\d+): (.*)$`)
	executing = regexp.MustCompile(`(?s)^template: ` + templateName + `:(\d+):(\d+): executing "(?:[^"\\]|\\.)*" at <.*?>: (.*)$`)
)

var (
	unknownFunction = regexp.MustCompile(`^function "(\w{1,80})" not defined$`)
	calling         = regexp.MustCompile(`^error calling (\w{1,80}): `)
)

const (
	aType = `([\w.*\[\]{} ]{1,80})`
	aName = `"([\w.$-]{1,80})"`
)

type recognised struct {
	pattern *regexp.Regexp
	said    string
}

func recognise(pattern, said string) recognised {
	return recognised{regexp.MustCompile(`^` + pattern), said}
}

// parseProblems are those of text/template/parse, Go 1.26.
var parseProblems = []recognised{
	recognise(`undefined variable `+aName+`$`, `there is no variable "$1"`),
	recognise(`unclosed action|unterminated |unclosed comment|unexpected EOF`, `something is not closed: an action, a string, a comment or a block`),
	recognise(`comment ends before closing delimiter`, `a comment is not alone in its action`),
	recognise(`unclosed left paren|unexpected right paren|unexpected ["<]?\)`, `the parentheses do not match`),
	recognise(`unexpected \{\{(end|else)`, `$1 without the block that it belongs to`),
	recognise(`unexpected "\}" in `, `unexpected "}"`),
	recognise(`missing value for (\w+)`, `$1 without a value`),
	recognise(`non executable command in pipeline stage (\d+)$`, `stage $1 of a pipeline is no function`),
	recognise(`\{\{(break|continue)\}\} outside`, `$1 outside of a range`),
	recognise(`max expression depth exceeded`, `is nested too deeply`),
	recognise(`bad number syntax`, `a number is not written as one`),
	recognise(`template: multiple definition of template|.* redefinition of template`, `a template is defined twice`),
}

// runProblems are those of text/template, Go 1.26.
var runProblems = []recognised{
	recognise(`map has no entry for key `+aName+`$`, `there is no key "$1"`),
	recognise(`nil data; no entry for key `+aName+`$`, `there is no key "$1"`),
	recognise(`can't evaluate field (\w{1,80}) in type `+aType+`$`, `what it is asked of has no field "$1": its type is $2`),
	recognise(`nil pointer evaluating [^.]*\.(\w{1,80})$`, `field "$1" is asked of nothing`),
	recognise(`wrong number of args for (\w{1,80}): want (at least )?(\d+) got (\d+)$`, `$1 takes $2$3 arguments, and is given $4`),
	recognise(`wrong type for value; expected `+aType+`; got `+aType+`$`, `a value of type $2 stands where a $1 is expected`),
	recognise(`invalid value; expected `+aType+`$`, `there is no value where a $1 is expected`),
	recognise(`expected (string|bool|integer|unsigned integer|float|complex); found `, `what is given is no $1`),
	recognise(`range can't iterate over `, `what range is given is neither a list nor a map`),
	recognise(`template `+aName+` not defined$`, `there is no template "$1"`),
	recognise(`exceeded maximum template depth`, `templates call each other without end`),
	recognise(`can't give argument to non-function `, `an argument is given to what is no function`),
}

// problemOf is what may be shown of an error of text/template about a text.
func problemOf(err error, text string) error {
	code, where, reason := "template", "", "cannot be evaluated"
	var known *told
	if errors.As(err, &known) {
		code, reason = known.code, known.text
	}
	if found := executing.FindStringSubmatch(err.Error()); found != nil {
		column, _ := strconv.Atoi(found[2])
		where = fmt.Sprintf("line %s, column %d: ", found[1], column+1)
		if called := calling.FindStringSubmatch(found[3]); called != nil {
			reason = callProblem(called[1], err, text)
		} else {
			reason = retold(found[3], runProblems, reason)
		}
	} else if found := parsing.FindStringSubmatch(err.Error()); found != nil {
		where, reason = fmt.Sprintf("line %s: ", found[1]), parseProblem(found[2])
	}
	return &failure{Code: code, Message: where + reason}
}

func parseProblem(said string) string {
	if found := unknownFunction.FindStringSubmatch(said); found != nil {
		if reaches, withheld := withheldFunctions[found[1]]; withheld {
			return fmt.Sprintf("the function %q is not offered: it reaches %s", found[1], reaches)
		}
		return fmt.Sprintf("there is no function %q", found[1])
	}
	return retold(said, parseProblems, "the syntax is wrong")
}

func retold(said string, problems []recognised, otherwise string) string {
	for _, problem := range problems {
		found := problem.pattern.FindStringSubmatch(said)
		if found == nil {
			continue
		}
		words := problem.said
		for i, value := range found[1:] {
			words = strings.ReplaceAll(words, "$"+strconv.Itoa(i+1), value)
		}
		return words
	}
	return otherwise
}

// callProblem tells what a function ended with: what it says itself only if that is this library's or the template's.
func callProblem(name string, err error, text string) string {
	var known *told
	var purpose *onPurpose
	switch {
	case errors.As(err, &known) && name == printed:
		return known.text
	case errors.As(err, &known):
		return name + " " + known.text
	case !errors.As(err, &purpose):
		return name + " fails on what it is given (what it says may hold a value and is not shown)"
	case stands(purpose.said, text):
		return fmt.Sprintf("fails on purpose: %.300s", plain(purpose.said))
	}
	return "fails on purpose (what it says may hold a value and is not shown)"
}

// onPurpose is what the function "fail" ends with.
type onPurpose struct{ said string }

func (o *onPurpose) Error() string { return o.said }

// plain is a text on one line, without what a terminal would obey.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }), " ")
}

// stands says whether words are a string in a template's own text.
func stands(words, text string) bool {
	return strings.Contains(text, strconv.Quote(words)) || strings.Contains(text, "`"+words+"`")
}
