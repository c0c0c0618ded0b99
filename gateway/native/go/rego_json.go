package main

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// parseValue reads one JSON document, numbers as written. The plain case, nearly every review, is read straight into
// OPA's values: half the time and memory of the detour by Go's own maps, which everything else takes.
func parseValue(data []byte) (ast.Value, error) {
	if json.Valid(data) {
		plain := plainJSON{data: string(data), keys: map[string]*ast.Term{}}
		if value := plain.value(); value != nil {
			return value, nil
		}
	}
	var decoded any
	if err := util.UnmarshalJSON(data, &decoded); err != nil {
		return nil, failf("json", "not readable as JSON: %s", err)
	}
	return ast.InterfaceToValue(decoded)
}

// plainJSON reads a document that was found valid, and so is not nested too deeply either.
type plainJSON struct {
	data  string // strings are parts of it
	at    int
	keys  map[string]*ast.Term // each key is made once
	spare []ast.Term           // made many at a time
}

// value is the value that begins here, or nil if it is not plain: a key twice in one object, a string that is not
// UTF-8, a number that OPA does not take.
func (p *plainJSON) value() ast.Value {
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		if text, ok := p.text(); ok {
			return ast.InternedValue(text)
		}
		return nil
	case 't':
		p.at += len("true")
		return ast.InternedValue(true)
	case 'f':
		p.at += len("false")
		return ast.InternedValue(false)
	case 'n':
		p.at += len("null")
		return ast.NullValue
	}
	return p.number()
}

// next is the next byte that is not white space.
func (p *plainJSON) next() byte {
	for {
		switch c := p.data[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
}

func (p *plainJSON) object() ast.Value {
	var pairs [][2]*ast.Term
	for p.at++; p.next() != '}'; {
		if p.data[p.at] == ',' {
			p.at++
			p.next()
		}
		key := p.key()
		if key == nil {
			return nil
		}
		p.next()
		p.at++ // the colon
		value := p.value()
		if value == nil {
			return nil
		}
		pairs = append(pairs, [2]*ast.Term{key, p.term(value)})
	}
	p.at++
	object := ast.NewObject(pairs...)
	for _, pair := range pairs { // NewObject does not look for keys that are there twice
		if object.Get(pair[0]) != pair[1] {
			return nil
		}
	}
	return object
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

func (p *plainJSON) key() *ast.Term {
	text, ok := p.text()
	if !ok {
		return nil
	}
	key, known := p.keys[text]
	if !known {
		key = ast.InternedTerm(text)
		p.keys[text] = key
	}
	return key
}

func (p *plainJSON) array() ast.Value {
	var elements []*ast.Term
	for p.at++; p.next() != ']'; {
		if p.data[p.at] == ',' {
			p.at++
		}
		value := p.value()
		if value == nil {
			return nil
		}
		elements = append(elements, p.term(value))
	}
	p.at++
	return ast.NewArray(elements...)
}

// text is the content of the string that begins here.
func (p *plainJSON) text() (string, bool) {
	start := p.at
	escaped := false
	for p.at++; p.data[p.at] != '"'; p.at++ {
		if p.data[p.at] == '\\' {
			escaped = true
			p.at++
		}
	}
	p.at++
	raw := p.data[start:p.at]
	if escaped {
		var text string
		err := json.Unmarshal([]byte(raw), &text)
		return text, err == nil
	}
	raw = raw[1 : len(raw)-1]
	return raw, utf8.ValidString(raw)
}

func (p *plainJSON) number() ast.Value {
	start := p.at
	for p.at < len(p.data) && isNumberByte(p.data[p.at]) {
		p.at++
	}
	value, err := ast.InterfaceToValue(json.Number(p.data[start:p.at]))
	if err != nil {
		return nil
	}
	return value
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
