package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

func decryptFile(in, out string, key []byte, m manifest) (err error) {
	source, err := os.Open(in)
	if err != nil {
		return err
	}
	defer source.Close()
	if out == "-" {
		return open(source, os.Stdout, key, m)
	}
	target, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, target.Close()); err != nil {
			os.Remove(out)
		}
	}()
	return open(source, target, key, m)
}

// open checks every record and writes its plaintext; the manifest's length says where the file must end.
func open(in io.Reader, out io.Writer, key []byte, m manifest) error {
	gcm, err := newGCM(key)
	if err != nil {
		return err
	}
	head := make([]byte, headerBytes)
	if _, err := io.ReadFull(in, head); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	h, err := parseHeader(head)
	if err != nil {
		return err
	}
	if h.chunkBytes != m.ChunkBytes {
		return errors.New("chunk_bytes is not the manifest's")
	}
	buffer := make([]byte, int(h.chunkBytes)+tagBytes)
	left := m.PlaintextBytes
	for index := uint64(0); left > 0; index++ {
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
		if want := min(uint64(h.chunkBytes), left); uint64(length) != want {
			return fmt.Errorf("record %d: pt_len %d, expected %d", index, length, want)
		}
		sealed := buffer[:int(length)+tagBytes]
		if _, err := io.ReadFull(in, sealed); err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
		plain, err := gcm.Open(sealed[:0], h.nonce(index), sealed, h.aad(index, length))
		if err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
		if _, err := out.Write(plain); err != nil {
			return err
		}
		left -= uint64(length)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return errors.New("bytes follow the last record")
	}
	return nil
}

func verifyDigest(in string, m manifest) error {
	source, err := os.Open(in)
	if err != nil {
		return err
	}
	defer source.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, source); err != nil {
		return err
	}
	if hex.EncodeToString(digest.Sum(nil)) != m.SHA256Ciphertext {
		return errors.New("sha256_ciphertext is not the file's")
	}
	return nil
}
