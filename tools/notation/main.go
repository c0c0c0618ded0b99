// Notation for tests: its own library, which signs into a registry without TLS, and verifies what is there.
//
//	notation sign -key K -chain C [-format jws|cose] [-expiry D] [-scheme S] [-tsa URL -tsa-root FILE] REFERENCE
//	notation verify -store FOLDER [-types ca,tsa] REFERENCE
//
// The command of the Notary Project is not among what the Go module proxy has; this is what it calls. FOLDER is a trust
// store (truststore/x509/TYPE/test/*.pem), REFERENCE has a digest.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/notaryproject/tspclient-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

var mediaTypes = map[string]string{"jws": "application/jose+json", "cose": "application/cose"}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("sign or verify")
	}
	run := map[string]func([]string) error{"sign": sign, "verify": verify}[os.Args[1]]
	if run == nil {
		log.Fatal("sign or verify")
	}
	if err := run(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func open(reference string) (registry.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = true
	return registry.NewRepository(repository), nil
}

func sign(arguments []string) error {
	flags := flag.NewFlagSet("sign", flag.ExitOnError)
	key := flags.String("key", "", "private key, PEM")
	chain := flags.String("chain", "", "certificates from the leaf to the root, PEM")
	format := flags.String("format", "jws", "jws or cose")
	expiry := flags.Duration("expiry", 0, "how long the signature counts")
	scheme := flags.String("scheme", string(signature.SigningSchemeX509), "signing scheme")
	tsa := flags.String("tsa", "", "URL of a time-stamp authority")
	tsaRoot := flags.String("tsa-root", "", "its root certificate, PEM")
	_ = flags.Parse(arguments)
	with, err := signerFor(*key, *chain, signature.SigningScheme(*scheme))
	if err != nil {
		return err
	}
	options := notation.SignOptions{ArtifactReference: flags.Arg(0), UserMetadata: map[string]string{"build": "7"}}
	options.SignatureMediaType = mediaTypes[*format]
	options.ExpiryDuration = *expiry
	if *tsa != "" {
		if options.Timestamper, err = tspclient.NewHTTPTimestamper(http.DefaultClient, *tsa); err != nil {
			return err
		}
		root, err := os.ReadFile(*tsaRoot)
		if err != nil {
			return err
		}
		options.TSARootCAs = x509.NewCertPool()
		options.TSARootCAs.AppendCertsFromPEM(root)
	}
	repository, err := open(flags.Arg(0))
	if err != nil {
		return err
	}
	_, err = notation.Sign(context.Background(), with, repository, options)
	return err
}

func signerFor(key, chain string, scheme signature.SigningScheme) (notation.Signer, error) {
	if scheme == signature.SigningSchemeX509 {
		return signer.NewGenericSignerFromFiles(key, chain)
	}
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, der := range pair.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
	}
	local, err := signature.NewLocalSigner(certificates, pair.PrivateKey)
	return authority{local, scheme}, err
}

// authority signs by a scheme that the library's own signers leave to plug-ins.
type authority struct {
	signer signature.Signer
	scheme signature.SigningScheme
}

func (a authority) Sign(ctx context.Context, target ocispec.Descriptor, options notation.SignerSignOptions) ([]byte, *signature.SignerInfo, error) {
	content, err := json.Marshal(map[string]ocispec.Descriptor{"targetArtifact": target})
	if err != nil {
		return nil, nil, err
	}
	request := &signature.SignRequest{
		Payload:       signature.Payload{ContentType: "application/vnd.cncf.notary.payload.v1+json", Content: content},
		Signer:        a.signer,
		SigningTime:   time.Now(),
		SigningScheme: a.scheme,
	}
	if options.ExpiryDuration != 0 {
		request.Expiry = request.SigningTime.Add(options.ExpiryDuration)
	}
	envelope, err := signature.NewEnvelope(options.SignatureMediaType)
	if err != nil {
		return nil, nil, err
	}
	signed, err := envelope.Sign(request.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	verified, err := envelope.Verify()
	if err != nil {
		return nil, nil, err
	}
	return signed, &verified.SignerInfo, nil
}

func verify(arguments []string) error {
	flags := flag.NewFlagSet("verify", flag.ExitOnError)
	store := flags.String("store", "", "folder that truststore is in")
	types := flags.String("types", "ca", "types of trust stores, such as ca,tsa")
	_ = flags.Parse(arguments)
	policy := trustpolicy.TrustPolicy{
		Name:                  "test",
		RegistryScopes:        []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"},
		TrustedIdentities:     []string{"*"},
	}
	for _, kind := range strings.Split(*types, ",") {
		policy.TrustStores = append(policy.TrustStores, kind+":test")
	}
	document := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{policy}}
	judge, err := verifier.New(document, truststore.NewX509TrustStore(dir.NewSysFS(*store)), nil)
	if err != nil {
		return err
	}
	repository, err := open(flags.Arg(0))
	if err != nil {
		return err
	}
	options := notation.VerifyOptions{ArtifactReference: flags.Arg(0), MaxSignatureAttempts: 10}
	_, outcomes, err := notation.Verify(context.Background(), judge, repository, options)
	if err != nil {
		return err
	}
	if len(outcomes) == 0 {
		return errors.New("no outcome")
	}
	fmt.Println("verified", outcomes[0].EnvelopeContent.SignerInfo.SignedAttributes.SigningScheme)
	return nil
}
