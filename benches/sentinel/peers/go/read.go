package main

import (
	"fmt"
	"syscall"
	"time"
)

// As much as `cat` reads at once.
const readBytes = 128 << 10

// readFIFO waits until the FIFO is there, reads it as a loader does, and prints the bytes, and the seconds from
// its opening to its first byte, and from that to its end.
func readFIFO(arguments []string) error {
	file, err := syscall.Open(arguments[0], syscall.O_RDONLY, 0)
	for err == syscall.ENOENT || err == syscall.EINTR {
		time.Sleep(time.Millisecond)
		file, err = syscall.Open(arguments[0], syscall.O_RDONLY, 0)
	}
	if err != nil {
		return err
	}
	opened := time.Now()
	var first time.Time
	buffer := make([]byte, readBytes)
	total := 0
	for {
		n, err := syscall.Read(file, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if total == 0 {
			first = time.Now()
		}
		if n == 0 {
			break
		}
		total += n
	}
	fmt.Println(total, first.Sub(opened).Seconds(), time.Since(first).Seconds())
	return nil
}
