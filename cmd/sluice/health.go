package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"sluice/engine/config"
)

func healthCommand() *cli.Command {
	return &cli.Command{
		Name:  "health",
		Usage: "exit 0 when the gateway of this config is ready",
		UsageText: usage("sluice health [--config FILE] [--admin URL]",
			"sluice health --config sluice.yaml", "sluice health --admin http://127.0.0.1:8788"),
		Flags: []cli.Flag{configFlag(), adminFlag()},
		Action: func(ctx context.Context, c *cli.Command) error {
			url, err := adminURL(c)
			if err != nil {
				return err
			}
			return askReady(ctx, url)
		},
	}
}

// adminURL is what --admin says, or where the config listens, or the demo.
func adminURL(c *cli.Command) (string, error) {
	if url := c.String("admin"); url != "" {
		if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return "", misuse(c, "--admin %q, want a URL such as http://127.0.0.1:8788", url)
		}
		return strings.TrimSuffix(url, "/"), nil
	}
	name, err := configPath(c)
	if err != nil {
		return "", err
	}
	if name == "" {
		return "http://127.0.0.1:8788", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	b := newBuilder(name)
	listen, err := config.AdminListen(name, text, b.env())
	if err != nil {
		return "", err
	}
	return "http://" + reachable(listen), nil
}

func askReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer", url)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("%s is not ready: status %d", url, resp.StatusCode)
	}
	return nil
}
