package otlp

import (
	"encoding/binary"
	"errors"
	"math"

	"mft.dev/mft/agent/telemetry/attribute"
)

// This file has the little of Protocol Buffers that OTLP needs: fields of the
// wire types varint, fixed64, fixed32 and bytes. The generated types would add
// 2.4 MB to the program and more than 1 MiB to the memory of an agent that sends
// nothing; the tests read with them what is written here.

// The wire types.
const (
	typeVarint  = 0
	typeFixed64 = 1
	typeBytes   = 2
	typeFixed32 = 5
)

func appendTag(b []byte, field, typ int) []byte { return binary.AppendUvarint(b, uint64(field<<3|typ)) }

// appendVarint, appendFixed64 and appendFixed32 leave out zero, as proto3 does.
func appendVarint(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(appendTag(b, field, typeVarint), v)
}

func appendFixed64(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed64), v)
}

func appendFixed32(b []byte, field int, v uint32) []byte {
	if v == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint32(appendTag(b, field, typeFixed32), v)
}

// appendDouble writes zero too, for a member of a oneof.
func appendDouble(b []byte, field int, v float64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed64), math.Float64bits(v))
}

// appendInteger is appendDouble for sfixed64.
func appendInteger(b []byte, field int, v int64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, typeFixed64), uint64(v))
}

func appendBytes[T ~string | ~[]byte](b []byte, field int, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return append(binary.AppendUvarint(appendTag(b, field, typeBytes), uint64(len(v))), v...)
}

// appendMessage writes a message even when it is empty.
func appendMessage(b []byte, field int, message []byte) []byte {
	return append(binary.AppendUvarint(appendTag(b, field, typeBytes), uint64(len(message))), message...)
}

// appendPairs writes attributes, each a KeyValue.
func appendPairs(b []byte, field int, pairs []attribute.Pair) []byte {
	for _, p := range pairs {
		var value []byte
		if p.IsNumber {
			value = binary.AppendUvarint(appendTag(value, 3, typeVarint), uint64(p.Number))
		} else {
			value = appendMessage(value, 1, []byte(p.Text))
		}
		b = appendMessage(b, field, appendMessage(appendBytes(nil, 1, p.Key), 2, value))
	}
	return b
}

var errWire = errors.New("the answer is no message of OTLP")

// fields calls f for every field of a message: with the number of a varint, or
// with the bytes of a string or message. Other types are passed over.
func fields(b []byte, f func(field int, number uint64, content []byte)) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errWire
		}
		b = b[n:]
		skip, number, content := 0, uint64(0), []byte(nil)
		switch tag & 7 {
		case typeVarint:
			if number, n = binary.Uvarint(b); n <= 0 {
				return errWire
			}
			skip = n
		case typeFixed64:
			skip = 8
		case typeFixed32:
			skip = 4
		case typeBytes:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errWire
			}
			skip = n + int(size)
			content = b[n:skip]
		default:
			return errWire
		}
		if skip > len(b) {
			return errWire
		}
		b = b[skip:]
		if typ := tag & 7; typ == typeVarint || typ == typeBytes {
			f(int(tag>>3), number, content)
		}
	}
	return nil
}

// A partial is what a collector says that it did not take.
type partial struct {
	rejected int64
	says     string
}

// readPartial reads the answer to any of the three kinds of export.
func readPartial(b []byte) (partial, error) {
	var p partial
	var inner error
	err := fields(b, func(field int, _ uint64, content []byte) {
		if field != 1 || content == nil {
			return
		}
		inner = fields(content, func(field int, number uint64, content []byte) {
			switch field {
			case 1:
				p.rejected = max(int64(number), 0)
			case 2:
				p.says = string(content)
			}
		})
	})
	return p, errors.Join(err, inner)
}
