package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// fromFirstBlock leaves out what stands before PEM.
func fromFirstBlock(text string) []byte {
	if at := strings.Index(text, "-----BEGIN"); at > 0 {
		text = text[at:]
	}
	return []byte(text)
}

// filterPEM gives the blocks of one type, in their order; nothing if there are none. What has no block at the end, and
// none of the type before it, is an error.
func filterPEM(kind, text string) (string, error) {
	var found bytes.Buffer
	rest := fromFirstBlock(text)
	for {
		var part *pem.Block
		if part, rest = pem.Decode(rest); part == nil {
			break
		}
		if strings.EqualFold(part.Type, kind) {
			if err := pem.Encode(&found, part); err != nil {
				return "", tell("finds a block of PEM that it cannot write")
			}
		}
	}
	if found.Len() == 0 && len(rest) > 0 {
		return "", tell("finds what is no PEM")
	}
	return found.String(), nil
}

// filterChain gives the leaf, the intermediate certificates or the root of a chain; nothing if there is none.
func filterChain(part, text string) (string, error) {
	var given []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", tell("finds a block of PEM that is no certificate")
		}
		given = append(given, certificate)
	}
	chain, err := inOrder(given)
	if err != nil {
		return "", err
	}
	first, end := chain[:1], chain[len(chain)-1:]
	switch {
	case part == "leaf" && first[0].AuthorityKeyId != nil && !selfIssued(first[0]):
		return blocks(first), nil
	case part == "root" && selfIssued(end[0]):
		return blocks(end), nil
	case part == "intermediate":
		between := chain[1:]
		for i, certificate := range between {
			if selfIssued(certificate) {
				between = between[:i]
				break
			}
		}
		return blocks(between), nil
	}
	return "", nil
}

// selfIssued tells by key identifiers, as all of this does: nothing is verified.
func selfIssued(certificate *x509.Certificate) bool {
	return certificate.AuthorityKeyId == nil || bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId)
}

// inOrder is a chain from the leaf to the root. Each certificate's issuer is the first other one whose key it names; it
// is an error if that leaves several without one below them, or none.
func inOrder(certificates []*x509.Certificate) ([]*x509.Certificate, error) {
	issuer := make([]int, len(certificates))
	issues := make([]bool, len(certificates))
	for i, below := range certificates {
		issuer[i] = -1
		for j, above := range certificates {
			if i != j && bytes.Equal(below.AuthorityKeyId, above.SubjectKeyId) {
				issuer[i], issues[j] = j, true
				break
			}
		}
	}
	leaf := -1
	for i := range certificates {
		switch {
		case issues[i]:
		case leaf >= 0:
			return nil, tell("finds several leaf certificates, or certificates that are no chain")
		default:
			leaf = i
		}
	}
	if leaf < 0 {
		return nil, tell("finds no leaf certificate")
	}
	var chain []*x509.Certificate
	for at := leaf; at >= 0; at = issuer[at] {
		if len(chain) == len(certificates) {
			return nil, tell("finds certificates that issue each other")
		}
		chain = append(chain, certificates[at])
	}
	return chain, nil
}

// namesOf lists the alternative names of a certificate: DNS, IP, email, URI.
func namesOf(text string) ([]string, error) {
	part, _ := pem.Decode(fromFirstBlock(text))
	if part == nil {
		return nil, tell("finds no certificate in PEM")
	}
	certificate, err := x509.ParseCertificate(part.Bytes)
	if err != nil {
		return nil, tell("finds a block of PEM that is no certificate")
	}
	names := append([]string{}, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	names = append(names, certificate.EmailAddresses...)
	for _, address := range certificate.URIs {
		names = append(names, address.String())
	}
	return names, nil
}
