// What the External Secrets Operator makes of templates, for tests: its own package, of its last version that has it.
package main

import (
	"encoding/json"
	"log"
	"os"

	esapi "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	"github.com/external-secrets/external-secrets/pkg/template/v2"
	corev1 "k8s.io/api/core/v1"
)

// input has texts, and values by key; output has, for each text, what it makes, or null where it cannot be rendered.
type input struct {
	Texts  []string          `json:"texts"`
	Values map[string][]byte `json:"values"`
}

func main() {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	made := make([][]byte, len(given.Texts))
	for i, text := range given.Texts {
		secret := corev1.Secret{}
		texts := map[string][]byte{"key": []byte(text)}
		err := template.Execute(texts, given.Values, esapi.TemplateScopeValues, esapi.TemplateTargetData, &secret)
		if err == nil {
			made[i] = append([]byte{}, secret.Data["key"]...)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		log.Fatal(err)
	}
}
