package main

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// parseValue reads one JSON document, numbers as written. The plain case, nearly every review, is read straight into
// OPA's values: a fraction of the time and memory of the detour by Go's own maps, which everything else takes.
func parseValue(data []byte) (ast.Value, error) { return parse(data, nil) }

// parseReview reads a review without the managed fields of its objects: see "lean" in evaluateRequest.
func parseReview(data []byte) (ast.Value, error) { return parse(data, leanReview) }

// leanReview is where managed fields stand in the input that rules are given.
var leanReview = without{"review": without{
	"object":    without{"metadata": without{"managedFields": nil}},
	"oldObject": without{"metadata": without{"managedFields": nil}},
}}

// without is what to leave out of an object: a member itself (nil), or something below it.
type without map[string]without

func parse(data []byte, leave without) (ast.Value, error) {
	plain := plainJSON{data: string(data), keys: map[string]*ast.Term{}}
	if value := plain.document(leave); value != nil {
		return value, nil
	}
	var decoded any
	if err := util.UnmarshalJSON(data, &decoded); err != nil {
		return nil, failf("json", "not readable as JSON: %s", err)
	}
	leave.prune(decoded)
	return ast.InterfaceToValue(decoded)
}

func (w without) prune(value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for name, below := range w {
		if below == nil {
			delete(object, name)
		} else {
			below.prune(object[name])
		}
	}
}

// maxPlainDepth is far above that of any object, and below what OPA's reader takes.
const maxPlainDepth = 1_000

// plainJSON reads a document in one pass. Whatever is not plain makes it give up, and the document is read again by
// OPA's own reader, which says what is wrong with it, if anything is: what is refused here is never refused for good.
type plainJSON struct {
	data   string // strings are parts of it
	at     int
	depth  int
	strict bool                 // what is skipped has no key twice in an object, and plain numbers alone
	keys   map[string]*ast.Term // each key is made once
	spare  []ast.Term           // made many at a time
}

func (p *plainJSON) document(leave without) ast.Value {
	value := p.value(leave)
	if value == nil || p.next() != 0 || p.at < len(p.data) {
		return nil
	}
	return value
}

// next is the next byte that is not white space; 0 at the end.
func (p *plainJSON) next() byte {
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
	return 0
}

// value is the value that begins here, or nil if it is not plain: wrong, nested too deeply, with a key twice in one
// object, with a string that is not UTF-8.
func (p *plainJSON) value(leave without) ast.Value {
	switch p.next() {
	case '{':
		return p.nested(func() ast.Value { return p.object(leave) })
	case '[':
		return p.nested(p.array)
	case '"':
		if text, ok := p.text(); ok {
			return ast.InternedValue(text)
		}
		return nil
	case 't':
		return p.word("true", ast.InternedValue(true))
	case 'f':
		return p.word("false", ast.InternedValue(false))
	case 'n':
		return p.word("null", ast.NullValue)
	}
	return p.number()
}

func (p *plainJSON) nested(read func() ast.Value) ast.Value {
	if p.depth++; p.depth > maxPlainDepth {
		return nil
	}
	value := read()
	p.depth--
	return value
}

func (p *plainJSON) word(word string, value ast.Value) ast.Value {
	if !strings.HasPrefix(p.data[p.at:], word) {
		return nil
	}
	p.at += len(word)
	return value
}

// more tells whether another member follows, and goes there; ok is false where something else stands.
func (p *plainJSON) more(end byte, first bool) (another, ok bool) {
	switch c := p.next(); {
	case c == end:
		p.at++
		return false, true
	case first:
		return true, true
	case c == ',':
		p.at++
		return true, p.next() != end
	}
	return false, false
}

func (p *plainJSON) object(leave without) ast.Value {
	var few [16][2]*ast.Term
	pairs := few[:0]
	left := 0
	p.at++
	for {
		another, ok := p.more('}', len(pairs)+left == 0)
		if !ok {
			return nil
		}
		if !another {
			break
		}
		key, ok := p.text()
		if !ok || p.next() != ':' {
			return nil
		}
		p.at++
		below, less := leave[key]
		if less && below == nil {
			left++
			if !p.skip() {
				return nil
			}
			continue
		}
		value := p.value(below)
		if value == nil {
			return nil
		}
		pairs = append(pairs, [2]*ast.Term{p.key(key), p.term(value)})
	}
	object := ast.NewObject(pairs...)
	if twice(object, pairs) {
		return nil
	}
	return object
}

// twice tells whether a key is there more than once, for which NewObject does not look.
func twice(object ast.Object, pairs [][2]*ast.Term) bool {
	for _, pair := range pairs {
		if object.Get(pair[0]) != pair[1] {
			return true
		}
	}
	return false
}

// skip goes past the value that begins here. Unless it is strict, a key may be there twice.
func (p *plainJSON) skip() bool {
	switch p.next() {
	case '{':
		return p.skipMembers('}', true)
	case '[':
		return p.skipMembers(']', false)
	case '"':
		_, ok := p.text()
		return ok
	case 't':
		return p.word("true", ast.NullValue) != nil
	case 'f':
		return p.word("false", ast.NullValue) != nil
	case 'n':
		return p.word("null", ast.NullValue) != nil
	}
	digits, ok := p.digits()
	return ok && (!p.strict || plainInteger(digits))
}

func (p *plainJSON) skipMembers(end byte, named bool) bool {
	if p.depth++; p.depth > maxPlainDepth {
		return false
	}
	p.at++
	var seen keySet
	for first := true; ; first = false {
		another, ok := p.more(end, first)
		if !ok || !another {
			p.depth--
			return ok
		}
		if named {
			key, ok := p.text()
			if !ok || p.next() != ':' || p.strict && !seen.add(key) {
				return false
			}
			p.at++
		}
		if !p.skip() {
			return false
		}
	}
}

// keySet holds the keys of one object, nearly always few.
type keySet struct {
	few  [12]string
	n    int
	many map[string]bool
}

// add tells whether the key is new.
func (s *keySet) add(key string) bool {
	for _, other := range s.few[:s.n] {
		if other == key {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = key
		s.n++
		return true
	}
	if s.many == nil {
		s.many = map[string]bool{}
	}
	if s.many[key] {
		return false
	}
	s.many[key] = true
	return true
}

func (p *plainJSON) term(value ast.Value) *ast.Term {
	if len(p.spare) == 0 {
		p.spare = make([]ast.Term, 64)
	}
	term := &p.spare[0]
	p.spare = p.spare[1:]
	term.Value = value
	return term
}

func (p *plainJSON) key(text string) *ast.Term {
	key, known := p.keys[text]
	if !known {
		key = ast.InternedTerm(text)
		p.keys[text] = key
	}
	return key
}

func (p *plainJSON) array() ast.Value {
	var few [16]*ast.Term
	elements := few[:0]
	p.at++
	for {
		another, ok := p.more(']', len(elements) == 0)
		if !ok {
			return nil
		}
		if !another {
			return ast.NewArray(append([]*ast.Term(nil), elements...)...)
		}
		value := p.value(nil)
		if value == nil {
			return nil
		}
		elements = append(elements, p.term(value))
	}
}

// text is the content of the string that begins here.
func (p *plainJSON) text() (string, bool) {
	if p.at >= len(p.data) || p.data[p.at] != '"' {
		return "", false
	}
	start := p.at
	escaped, plain := false, byte(0)
	for at := start + 1; at < len(p.data); at++ {
		c := p.data[at]
		plain |= c
		switch {
		case c == '"':
			p.at = at + 1
			raw := p.data[start:p.at]
			if escaped {
				return unescaped(raw, plain < utf8.RuneSelf)
			}
			raw = raw[1 : len(raw)-1]
			return raw, plain < utf8.RuneSelf || utf8.ValidString(raw)
		case c == '\\':
			escaped = true
			at++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// unescaped is the content of a string with escapes: of the short ones here, of others as Go's reader has it.
func unescaped(raw string, ascii bool) (string, bool) {
	content := raw[1 : len(raw)-1]
	if ascii && !strings.Contains(content, `\u`) {
		var text strings.Builder
		text.Grow(len(content))
		for {
			before, after, found := strings.Cut(content, `\`)
			text.WriteString(before)
			if !found {
				return text.String(), true
			}
			at := strings.IndexByte(`"\/bfnrt`, after[0])
			if at < 0 {
				return "", false
			}
			text.WriteByte("\"\\/\b\f\n\r\t"[at])
			content = after[1:]
		}
	}
	var text string
	err := json.Unmarshal([]byte(raw), &text)
	return text, err == nil
}

func (p *plainJSON) number() ast.Value {
	digits, ok := p.digits()
	if !ok {
		return nil
	}
	value, err := ast.InterfaceToValue(json.Number(digits))
	if err != nil {
		return nil
	}
	return value
}

// digits is the number that begins here, as it is written.
func (p *plainJSON) digits() (string, bool) {
	start := p.at
	for p.at < len(p.data) && isNumberByte(p.data[p.at]) {
		p.at++
	}
	digits := p.data[start:p.at]
	return digits, plainInteger(digits) || json.Valid([]byte(digits))
}

// plainInteger tells a number that needs no closer look, as nearly all are.
func plainInteger(digits string) bool {
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for at := range len(digits) {
		if digits[at] < '0' || digits[at] > '9' {
			return false
		}
	}
	return true
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
