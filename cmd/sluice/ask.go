package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/urfave/cli/v3"
)

// adminToken is the environment's, or what the config says.
func adminToken(c *cli.Command) string {
	if token := os.Getenv("SLUICE_ADMIN_TOKEN"); token != "" {
		return token
	}
	name, err := configPath(c)
	if err != nil || name == "" {
		return ""
	}
	cfg, err := readConfig(newBuilder(name))
	if err != nil {
		return ""
	}
	return cfg.Admin.Token.Reveal()
}

// askAdmin asks an admin API at address, with a body of JSON unless it is nil, and reads the answer into into. The error is a *url.Error where
// nobody answers, and else what the API says.
func askAdmin(ctx context.Context, address, token, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // of texts alone
	}
	req, err := http.NewRequestWithContext(ctx, method, address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var said struct {
		Error string `json:"error"`
	}
	if err == nil && resp.StatusCode == 200 {
		err = json.Unmarshal(answer, into)
	} else if err == nil {
		err = json.Unmarshal(answer, &said)
	}
	switch {
	case err != nil || resp.StatusCode != 200 && said.Error == "":
		return fmt.Errorf("%s is no admin API: status %d", address, resp.StatusCode)
	case resp.StatusCode == 401:
		return fmt.Errorf("%s: %s: want it in SLUICE_ADMIN_TOKEN", address, said.Error)
	case resp.StatusCode != 200:
		return errors.New(said.Error)
	}
	return nil
}
