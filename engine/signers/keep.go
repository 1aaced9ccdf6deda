package signers

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
)

// keeper keeps the token of one upstream on the shelf, encrypted if there is a key. The token is bound to the upstream: moved to the
// file of another one, it cannot be read.
type keeper struct {
	shelf      Shelf
	upstream   uuid.UUID
	configured string // a hash of the refresh token in the config
	key        secret // data_key, "" = none
}

// kept is the file. Where Configured is not that of the config, an operator has connected the account anew, and the rest is out of date.
type kept struct {
	Configured string `json:"configured"`
	Unspent    bool   `json:"unspent,omitempty"` // the endpoint sent no other: the config's refresh token is the one within
	Sealed     []byte `json:"sealed,omitempty"`  // an encrypted keptToken
	Token      []byte `json:"token,omitempty"`   // a plain one
}

type keptToken struct {
	Access   string    `json:"access"`
	Refresh  string    `json:"refresh"`
	Obtained time.Time `json:"obtained"`
	Expires  time.Time `json:"expires"`
}

// hashOf tells one configured refresh token of an upstream from another.
func hashOf(upstream uuid.UUID, refresh string) string {
	sum := sha256.Sum256([]byte("sluice:refresh:" + upstream.String() + ":" + refresh))
	return hex.EncodeToString(sum[:])
}

func (k *keeper) file() string { return "token-" + k.upstream.String() + ".json" }

// aead is AES-256-GCM under a key derived from data_key.
func (k *keeper) aead() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(k.key()), nil, "sluice: tokens at rest", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what an encrypted token is bound to.
func (k *keeper) bound() []byte { return append(k.upstream[:], k.configured...) }

// errLocked: a token cannot be decrypted.
var errLocked = errors.New("it cannot be decrypted")

// read returns the token that was kept under the config's refresh token, nil = none. sealed tells whether it is encrypted. An error that
// is errLocked comes without a token where the config's refresh token was spent, and with an empty one where it still counts.
func (k *keeper) read() (t *keptToken, sealed bool, err error) {
	text, err := k.shelf.Read(k.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	var file kept
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("read %s in the data directory: %w", k.file(), err)
	case file.Configured == "": // whose it was cannot be told, and a token that was spent is worse than none
		return nil, false, fmt.Errorf("read %s in the data directory: it holds no token", k.file())
	case file.Configured != k.configured:
		return nil, false, nil
	}
	plain := file.Token
	if file.Sealed != nil {
		if plain, err = k.open(file.Sealed); err != nil {
			err = fmt.Errorf("read %s in the data directory: %w", k.file(), err)
			if file.Unspent {
				return &keptToken{}, true, err
			}
			return nil, true, err
		}
	}
	t = &keptToken{}
	if err := json.Unmarshal(plain, t); err != nil || t.Access == "" || t.Refresh == "" {
		return nil, false, fmt.Errorf("read %s in the data directory: it holds no token", k.file())
	}
	return t, file.Sealed != nil, nil
}

func (k *keeper) open(sealed []byte) ([]byte, error) {
	if k.key() == "" {
		return nil, fmt.Errorf("%w: it is encrypted, and the config has no data_key", errLocked)
	}
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, k.bound())
	if err != nil {
		return nil, fmt.Errorf("%w: it was not encrypted for this upstream with this data_key", errLocked)
	}
	return plain, nil
}

// write keeps t durably.
func (k *keeper) write(t *keptToken) error {
	file := kept{Configured: k.configured, Unspent: hashOf(k.upstream, t.Refresh) == k.configured}
	plain, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if k.key() == "" {
		file.Token = plain
	} else {
		aead, err := k.aead()
		if err != nil {
			return err
		}
		file.Sealed = aead.Seal(nil, nil, plain, k.bound())
	}
	text, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return k.shelf.Replace(k.file(), text)
}
