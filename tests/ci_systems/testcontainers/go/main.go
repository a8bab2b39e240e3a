// A suite of Testcontainers for Go: it starts a container, maps a port, mounts a directory and removes the container.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// It serves the file that the suite has written, and writes one itself.
const server = "echo from the container >/w/answer && exec httpd -f -p 8080 -h /w"

func main() {
	if err := run(context.Background(), "/work"); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, workspace string) error {
	if err := os.WriteFile(filepath.Join(workspace, "question"), []byte("from the suite"), 0o644); err != nil {
		return err
	}
	started, err := testcontainers.Run(ctx, "busybox:1.37",
		testcontainers.WithCmd("sh", "-c", server),
		testcontainers.WithExposedPorts("8080/tcp"),
		testcontainers.WithHostConfigModifier(func(config *container.HostConfig) {
			config.Binds = []string{workspace + ":/w"}
		}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/question").WithPort("8080/tcp")),
	)
	defer func() { _ = testcontainers.TerminateContainer(started) }()
	if err != nil {
		return err
	}
	url, err := started.PortEndpoint(ctx, "8080/tcp", "http")
	if err != nil {
		return err
	}
	response, err := http.Get(url + "/question")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	question, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	answer, err := os.ReadFile(filepath.Join(workspace, "answer"))
	if err != nil {
		return err
	}
	fmt.Printf("%s said %s, %s\n", url, question, answer)
	return testcontainers.TerminateContainer(started)
}
