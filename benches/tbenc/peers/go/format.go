package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
)

// Sizes of the format, in bytes.
const (
	headerBytes   = 32
	aadPrefix     = 19 // magic, version, algo, chunk_bytes, nonce_prefix
	tagBytes      = 16
	maxChunkBytes = 64 << 20
)

type header struct {
	chunkBytes  uint32
	noncePrefix [4]byte
}

type manifest struct {
	Format           string `json:"format"`
	Algo             string `json:"algo"`
	ChunkBytes       uint32 `json:"chunk_bytes"`
	PlaintextBytes   uint64 `json:"plaintext_bytes"`
	SHA256Ciphertext string `json:"sha256_ciphertext"`
	AssetID          string `json:"asset_id"`
	WeightsFilename  string `json:"weights_filename"`
	AllowFinetune    bool   `json:"allow_finetune"`
}

func (h header) encode() []byte {
	b := make([]byte, 0, headerBytes)
	b = append(b, "TBENC001"...)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, h.chunkBytes)
	b = append(b, h.noncePrefix[:]...)
	return append(b, make([]byte, headerBytes-len(b))...)
}

func parseHeader(b []byte) (header, error) {
	h := header{chunkBytes: binary.BigEndian.Uint32(b[11:15])}
	copy(h.noncePrefix[:], b[15:19])
	if !bytes.Equal(h.encode(), b) {
		return header{}, errors.New("this is no tbenc/v1 header")
	}
	if h.chunkBytes == 0 || h.chunkBytes > maxChunkBytes {
		return header{}, errors.New("chunk_bytes is out of range")
	}
	return h, nil
}

func (h header) nonce(index uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), h.noncePrefix[:]...), index)
}

func (h header) aad(index uint64, ptLen uint32) []byte {
	b := binary.BigEndian.AppendUint64(h.encode()[:aadPrefix], index)
	return binary.BigEndian.AppendUint32(b, ptLen)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func readManifest(path string) (manifest, error) {
	var m manifest
	data, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, err
	}
	if m.Format != "tbenc/v1" || m.Algo != "aes-256-gcm-chunked" {
		return m, errors.New("the manifest is not of tbenc/v1")
	}
	return m, nil
}

func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != 32 {
		return nil, errors.New("a key file holds 64 hexadecimal characters")
	}
	return key, nil
}
