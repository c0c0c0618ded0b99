package main

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // by name, in rsaDecrypt
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"text/template"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/magiconair/properties"
	"software.sslmate.com/src/go-pkcs12"
)

// externalFunctions are those that External Secrets adds to sprig, with what they are documented and seen to do
// (external-secrets.io/latest/guides/templating; runtime/template/v2). Its own module cannot be had: see ADR 11.
// getSecretKey is left out: it reads the cluster.
var externalFunctions = template.FuncMap{
	"pkcs12key":                 func(archive string) (string, error) { return keyOfArchive("", archive) },
	"pkcs12keyPass":             keyOfArchive,
	"pkcs12cert":                func(archive string) (string, error) { return chainOfArchive("", archive) },
	"pkcs12certPass":            chainOfArchive,
	"pemToPkcs12":               func(chain, key string) (string, error) { return archiveOf(chain, key, "", false) },
	"pemToPkcs12Pass":           func(chain, key, password string) (string, error) { return archiveOf(chain, key, password, false) },
	"fullPemToPkcs12":           func(chain, key string) (string, error) { return archiveOf(chain, key, "", true) },
	"fullPemToPkcs12Pass":       func(chain, key, password string) (string, error) { return archiveOf(chain, key, password, true) },
	"pemTruststoreToPKCS12":     func(chain string) (string, error) { return trustStoreOf(chain, "") },
	"pemTruststoreToPKCS12Pass": trustStoreOf,
	"filterPEM":                 filterPEM,
	"filterCertChain":           filterChain,
	"certSANs":                  namesOf,
	"jwkPublicKeyPem":           func(key string) (string, error) { return keyOfJWK(key, "PUBLIC KEY", x509.MarshalPKIXPublicKey) },
	"jwkPrivateKeyPem":          func(key string) (string, error) { return keyOfJWK(key, "PRIVATE KEY", x509.MarshalPKCS8PrivateKey) },
	"fromProperties":            fromProperties,
	"rsaDecrypt":                decryptRSA,
}

// keyOfArchive takes the private key of a PKCS#12 archive; PKCS#8 in PEM.
func keyOfArchive(password, archive string) (string, error) {
	key, _, _, err := pkcs12.DecodeChain([]byte(archive), password)
	if err != nil {
		return "", tell("cannot open the PKCS#12 archive: it is none, or the password is wrong")
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", tell("cannot write this kind of key as PKCS#8")
	}
	return block("PRIVATE KEY", encoded), nil
}

// chainOfArchive takes the certificates of a PKCS#12 archive, in order if they are one chain, else as they are.
func chainOfArchive(password, archive string) (string, error) {
	_, leaf, authorities, err := pkcs12.DecodeChain([]byte(archive), password)
	if err != nil {
		return "", tell("cannot open the PKCS#12 archive: it is none, or the password is wrong")
	}
	found := append([]*x509.Certificate{leaf}, authorities...)
	if ordered, err := inOrder(found); err == nil {
		found = ordered
	}
	return blocks(found), nil
}

// archiveOf makes a PKCS#12 archive, in base64, of a private key and its certificate, or the whole chain.
func archiveOf(chain, key, password string, whole bool) (string, error) {
	found, err := certificatesOf(chain, whole)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", tell("finds no certificate in PEM")
	}
	private, err := privateKeyOf(key)
	if err != nil {
		return "", err
	}
	archive, err := pkcs12.Modern.Encode(private, found[0], found[1:], password)
	if err != nil {
		return "", tell("cannot make a PKCS#12 archive of them")
	}
	return base64.StdEncoding.EncodeToString(archive), nil
}

func trustStoreOf(chain, password string) (string, error) {
	found, err := certificatesOf(chain, true)
	if err != nil {
		return "", err
	}
	archive, err := pkcs12.Modern.EncodeTrustStore(found, password)
	if err != nil {
		return "", tell("cannot make a PKCS#12 trust store of them")
	}
	return base64.StdEncoding.EncodeToString(archive), nil
}

// certificatesOf reads PEM: the first block, or all to the last byte.
func certificatesOf(chain string, whole bool) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for rest := []byte(chain); len(rest) > 0; {
		part, left := pem.Decode(rest)
		if part == nil {
			return nil, tell("finds what is no certificate in PEM")
		}
		certificate, err := x509.ParseCertificate(part.Bytes)
		if err != nil {
			return nil, tell("finds a block of PEM that is no certificate")
		}
		if found, rest = append(found, certificate), left; !whole {
			break
		}
	}
	return found, nil
}

// privateKeyOf reads the first block of PEM: PKCS#1, PKCS#8 or SEC 1.
func privateKeyOf(text string) (any, error) {
	part, _ := pem.Decode([]byte(text))
	if part == nil {
		return nil, tell("finds no private key in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(part.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(part.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(part.Bytes); err == nil {
		return key, nil
	}
	return nil, tell("finds no private key that it can read")
}

// keyOfJWK writes a JSON Web Key in PEM.
func keyOfJWK(text, kind string, encode func(any) ([]byte, error)) (string, error) {
	parsed, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return "", tell("is given no JSON Web Key")
	}
	var key any
	if err := jwk.Export(parsed, &key); err != nil {
		return "", tell("cannot read this JSON Web Key")
	}
	encoded, err := encode(key)
	if err != nil {
		return "", tell("is given a key of another kind than it writes")
	}
	return block(kind, encoded), nil
}

func decryptRSA(scheme, digest, sealed, key string) (string, error) {
	switch scheme {
	case "None":
		return sealed, nil
	case "RSA-OAEP":
	default:
		return "", tell("knows the schemes RSA-OAEP and None")
	}
	private, err := privateKeyOf(key)
	if err != nil {
		return "", err
	}
	chosen, ok := private.(*rsa.PrivateKey)
	if !ok {
		return "", tell("is given a key that is not RSA's")
	}
	hashes := map[string]crypto.Hash{"SHA1": crypto.SHA1, "SHA512": crypto.SHA512}
	hash, other := hashes[digest]
	if !other {
		hash = crypto.SHA256 // whatever is named
	}
	opened, err := rsa.DecryptOAEP(hash.New(), nil, chosen, []byte(sealed), nil)
	if err != nil {
		return "", tell("cannot decrypt it with this key")
	}
	return string(opened), nil
}

func fromProperties(text string) (map[string]string, error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	parsed, err := loader.LoadBytes([]byte(text))
	if err != nil {
		return nil, tell("is given what is no properties file")
	}
	return parsed.Map(), nil
}

func block(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

func blocks(certificates []*x509.Certificate) string {
	var text bytes.Buffer
	for _, certificate := range certificates {
		text.WriteString(block("CERTIFICATE", certificate.Raw))
	}
	return text.String()
}
