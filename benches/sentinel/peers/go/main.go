// Command lab is what stands around the programs under test: the runtime behind a proxy, the clients before it,
// a blob store for tools that speak S3 or Azure Blob, the reader of a FIFO, and a ranged download as one writes
// it first in Go.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: lab runtime ADDRESS                      answers /health, completions, events
       lab store ADDRESS FOLDER CERT KEY        S3 and Azure Blob, reading only, over TLS
       lab fetch URL CA OUT CONNECTIONS BYTES   downloads in ranges
       lab read FIFO                            waits for the FIFO and reads it to its end
       lab events URL TOKEN COUNT               times the events of streamed answers
       lab drain URL TOKEN CLIENTS SECONDS      asks until the server ends, and counts what was lost`

func main() {
	commands := map[string]struct {
		arguments int
		run       func([]string) error
	}{
		"runtime": {1, serveRuntime},
		"store":   {4, serveStore},
		"fetch":   {5, fetch},
		"read":    {1, readFIFO},
		"events":  {3, timeEvents},
		"drain":   {4, drain},
	}
	if len(os.Args) > 1 {
		if command, known := commands[os.Args[1]]; known && len(os.Args) == command.arguments+2 {
			if err := command.run(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "lab:", err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, usage)
	os.Exit(2)
}
