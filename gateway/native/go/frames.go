package main

import "encoding/binary"

// A frame list is how several byte strings travel in one: each with its length before it, 4 bytes, little-endian.

// unframe splits a frame list. The parts share the memory of what they came in.
func unframe(in []byte) ([][]byte, error) {
	var parts [][]byte
	for len(in) > 0 {
		if len(in) < 4 {
			return nil, failf("frames", "a frame list ends within a length")
		}
		length := uint64(binary.LittleEndian.Uint32(in))
		if in = in[4:]; uint64(len(in)) < length {
			return nil, failf("frames", "a frame list ends within a frame")
		}
		parts = append(parts, in[:length:length])
		in = in[length:]
	}
	return parts, nil
}

// appendFrame adds one part to a frame list.
func appendFrame(list, part []byte) []byte {
	list = binary.LittleEndian.AppendUint32(list, uint32(len(part)))
	return append(list, part...)
}
