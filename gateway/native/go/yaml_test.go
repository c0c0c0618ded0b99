package main

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

var jsonSeeds = []string{
	`{}`, ` {"a":1}`, "{}\n{}", "\n\n{\"a\":\n1}\r\n\t{\"b\":2}{\"c\":3}\n", `{"a":1,"a":2}`, `{"a":{"b":1,"c":{"b":1,"b":2}}}`,
	`{"a":1}{"b":1,"b":2}`, `{"\u0061":1,"a":2}`, `{"a\/b":1,"a/b":2}`, `{"a":1,"A":2}`, `{"":1,"":2}`, `{"a":12345678901234567890123}`,
	`{"a":-0,"b":0.10,"c":1E+2,"d":1e-400,"e":1e400}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":-}`, `{"a":1}x`, `{"a":1},{"b":1}`,
	`{"a":1} 7`, `{"a":1}[1]`, `{"a":1}"x"`, `{"a":1}null`, `{"a":`, `{"a":1`, `{"a"}`, `{a:1}`, `{'a':1}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":[1 2]}`,
	`{"a":tru}`, `{"a":true,"b":false,"c":null}`, "{\"a\":\"\xff\"}", "{\"\xff\":1,\"\xfe\":2}", "{\"a\":\"\n\"}", "{\"a\":\"\\\n\"}", `{"a":"\x"}`,
	`{"a":"\ud800"}`, `{"\ud800":1,"\udfff":2}`, "{\"a\":\"\u2028\x7f\"}", "{\"a\":1}\x00", "{\"a\":1}\v", "{\"a\":1}\u00a0", "{\"a\":1}//c", "{\"a\":1}\n---\n{\"b\":1}",
	strings.Repeat(`{"a":`, 999) + "1" + strings.Repeat("}", 999), strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000),
	`{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "}", strings.Repeat(`{"a":[`, 3_000),
}

// FuzzPlainJSON: what the quick reader takes, the one that looks closely takes too, as the same documents in the same
// lines, with nothing wrong in them.
func FuzzPlainJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) { comparePlain(t, content) })
}

func TestGeneratedJSONIsReadAlike(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	taken := 0
	for range 60_000 {
		var text []byte
		for range 1 + random.Intn(3) {
			text = append(append(text, blank(random)...), generated(random, 0, true)...)
		}
		if random.Intn(3) == 0 {
			text = damaged(random, text)
		}
		if comparePlain(t, text) {
			taken++
		}
	}
	if taken < 10_000 {
		t.Fatalf("the quick reader took %d: nothing much was compared", taken)
	}
}

// comparePlain tells whether the quick reader took the content.
func comparePlain(t *testing.T, content []byte) bool {
	plain := &yamlFile{Lines: []int{}}
	if !plain.readPlainJSON(content) {
		return false
	}
	closely := &yamlFile{Lines: []int{}}
	if !closely.readAnyJSON(content) || closely.Problem != nil {
		t.Fatalf("%q was taken, and is wrong: %v", content, closely.Problem)
	}
	if len(plain.documents) != len(closely.documents) {
		t.Fatalf("%q holds %d documents, not %d", content, len(closely.documents), len(plain.documents))
	}
	for index, document := range closely.documents {
		if !bytes.Equal(document, plain.documents[index]) || closely.Lines[index] != plain.Lines[index] {
			t.Fatalf("%q: document %d is %q in line %d, not %q in line %d", content, index, document,
				closely.Lines[index], plain.documents[index], plain.Lines[index])
		}
	}
	return true
}

func blank(random *rand.Rand) string {
	return []string{"", "", " ", "\n", "\r\n", "\t\n "}[random.Intn(6)]
}

// generated is a value, an object at the top; keys are so few that some come twice.
func generated(random *rand.Rand, depth int, object bool) string {
	scalars := []string{"1", "-0", "0.5", "1e5", "12345678901234567890", "true", "null", `"x"`, `"\n\u00e9"`, `"é"`, `""`, "01", "1e999", `"\ud800"`}
	if choice := random.Intn(8); !object && (choice < 5 || depth > 4) {
		return scalars[random.Intn(len(scalars)-random.Intn(4))]
	} else if !object && choice == 5 {
		var elements []string
		for range random.Intn(4) {
			elements = append(elements, blank(random)+generated(random, depth+1, false)+blank(random))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	keys := []string{"a", "b", "c", "d", "e", "f", "g", `\u0061`, "é", "", "A"}
	var members []string
	for range random.Intn(4) {
		key := `"` + keys[random.Intn(len(keys))] + `"`
		members = append(members, blank(random)+key+blank(random)+":"+blank(random)+generated(random, depth+1, false)+blank(random))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// damaged has a byte more, less or another one.
func damaged(random *rand.Rand, text []byte) []byte {
	at := random.Intn(len(text))
	with := []byte("{}[],:\"\\0a \xff")[random.Intn(12):][:1]
	return bytes.Join([][]byte{text[:at+random.Intn(2)], text[at+random.Intn(2):]}, with[:random.Intn(2)])
}

func TestAMergedKeyIsNoDuplicate(t *testing.T) {
	for text, problem := range map[string]bool{
		"b: &b {x: 1}\nc:\n  <<: *b\n  x: 2\n":                  false,
		"b: &b {x: 1}\nc:\n  <<: [*b, *b]\n  x: 2\n":            false,
		"b: &b {x: 1}\nc:\n  <<: *b\n  x: 2\n  x: 3\n":          true,
		"b: &b {x: 1}\nc:\n  <<: *b\n  x: 2\nd: {y: 1, y: 2}\n": true,
		"b: &b {x: 1, x: 2}\nc:\n  <<: *b\n  x: 2\n":            true,
		"a: 1\na: 2\n": true,
	} {
		if file := readFile([]byte(text)); (file.Problem != nil) != problem {
			t.Errorf("%q: %v", text, file.Problem)
		}
	}
}
