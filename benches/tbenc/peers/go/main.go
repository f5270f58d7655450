// Command tbenc is tbenc/v1 in straightforward Go, one file at a time, the way one writes it first:
// read a chunk, seal it, hash it, write it. It is what `trustbridge` is measured against.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `usage: tbenc encrypt --in F --out F --manifest F --asset-id ID --key-out F [--chunk-bytes N]
       tbenc decrypt --in F --manifest F --key-file F --out F|- [--verify]
       tbenc verify  --in F --manifest F`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tbenc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	in := flags.String("in", "", "file to read")
	out := flags.String("out", "", "file to write; - is standard output")
	manifestPath := flags.String("manifest", "", "manifest to write or to read")
	assetID := flags.String("asset-id", "", "id of the asset")
	keyOut := flags.String("key-out", "", "where the new key goes")
	keyFile := flags.String("key-file", "", "the asset's key")
	chunkBytes := flags.Uint("chunk-bytes", 4<<20, "plaintext bytes of a record")
	verifyFirst := flags.Bool("verify", false, "check sha256_ciphertext in a pass of its own before decrypting")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if args[0] == "encrypt" {
		return encryptFile(*in, *out, *manifestPath, *keyOut, *assetID, uint32(*chunkBytes))
	}
	m, err := readManifest(*manifestPath)
	if err != nil {
		return err
	}
	if args[0] == "verify" || *verifyFirst {
		if err := verifyDigest(*in, m); err != nil {
			return err
		}
	}
	switch args[0] {
	case "verify":
		return nil
	case "decrypt":
		key, err := readKey(*keyFile)
		if err != nil {
			return err
		}
		return decryptFile(*in, *out, key, m)
	}
	return errors.New(usage)
}
