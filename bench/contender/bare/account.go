package bare

import (
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// The account that every emulator has, and the key that all the world knows.
const (
	Name = "devstoreaccount1"
	Key  = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// An Account is where the blobs of an emulator are: http://HOST:PORT/devstoreaccount1.
type Account string

func (a Account) credential() (*service.SharedKeyCredential, error) {
	return service.NewSharedKeyCredential(Name, Key)
}

func (a Account) client() (*azblob.Client, error) {
	key, err := a.credential()
	if err != nil {
		return nil, err
	}
	return azblob.NewClientWithSharedKeyCredential(string(a), key, &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}, // what fails is no measurement
	})
}

// Signature is a query that lets a program use the account for a day, where it
// takes no key.
func (a Account) Signature() (string, error) {
	key, err := a.credential()
	if err != nil {
		return "", err
	}
	client, err := service.NewClientWithSharedKeyCredential(string(a), key, nil)
	if err != nil {
		return "", err
	}
	signed, err := client.GetSASURL(
		sas.AccountResourceTypes{Service: true, Container: true, Object: true},
		sas.AccountPermissions{Read: true, Write: true, Delete: true, List: true, Add: true, Create: true},
		time.Now().Add(24*time.Hour), nil)
	if err != nil {
		return "", err
	}
	_, query, _ := strings.Cut(signed, "?")
	return query, nil
}
