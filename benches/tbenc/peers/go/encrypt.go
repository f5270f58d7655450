package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

func encryptFile(in, out, manifestPath, keyOut, assetID string, chunkBytes uint32) error {
	if chunkBytes == 0 || chunkBytes > maxChunkBytes {
		return errors.New("--chunk-bytes is out of range")
	}
	source, err := os.Open(in)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(out)
	if err != nil {
		return err
	}
	defer target.Close()

	key := make([]byte, 32)
	h := header{chunkBytes: chunkBytes}
	rand.Read(key)
	rand.Read(h.noncePrefix[:])
	digest := sha256.New()
	size, err := seal(source, io.MultiWriter(target, digest), key, h)
	if err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(keyOut, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		return err
	}
	document, err := json.MarshalIndent(manifest{
		Format: "tbenc/v1", Algo: "aes-256-gcm-chunked", ChunkBytes: chunkBytes, PlaintextBytes: size,
		SHA256Ciphertext: hex.EncodeToString(digest.Sum(nil)), AssetID: assetID,
		WeightsFilename: "model.tbenc", AllowFinetune: true,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(manifestPath, append(document, '\n'), 0o644)
}

// seal writes header and records and returns how many plaintext bytes there were.
func seal(in io.Reader, out io.Writer, key []byte, h header) (uint64, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return 0, err
	}
	if _, err := out.Write(h.encode()); err != nil {
		return 0, err
	}
	buffer := make([]byte, h.chunkBytes, int(h.chunkBytes)+tagBytes)
	var size uint64
	for index := uint64(0); ; index++ {
		n, err := io.ReadFull(in, buffer)
		if err == io.EOF {
			return size, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return size, err
		}
		length := uint32(n)
		sealed := gcm.Seal(buffer[:0], h.nonce(index), buffer[:n], h.aad(index, length))
		if err := binary.Write(out, binary.BigEndian, length); err != nil {
			return size, err
		}
		if _, err := out.Write(sealed); err != nil {
			return size, err
		}
		size += uint64(n)
	}
}
