// Package plain writes values as bytes and reads them back, for processes of one
// program that do not trust each other.
//
//	b := plain.Append(nil, order)
//	err := plain.Parse(b, &order)
//
// Values are structs of what has a plain form: booleans, integers, strings, arrays,
// slices, structs, pointers. Every field counts and must be exported. Both ends are of one
// build, so the form has no version and no names. Parse takes any bytes, reads all of
// them, and makes nothing that is much larger than they are.
package plain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

var errShort = errors.New("the message ends too early")

// Append appends v. It panics when a type has no plain form, which is our own bug.
func Append(b []byte, v any) []byte { return appendValue(b, reflect.ValueOf(v)) }

func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n := len(b)
			b = append(b, make([]byte, v.Len())...)
			reflect.Copy(reflect.ValueOf(b[n:]), v)
			return b
		}
		for i := range v.Len() {
			b = appendValue(b, v.Index(i))
		}
		return b
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = appendValue(b, v.Index(i))
		}
		return b
	case reflect.Struct:
		for i := range v.NumField() {
			b = appendValue(b, v.Field(i))
		}
		return b
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return appendValue(append(b, 1), v.Elem())
	}
	panic("plain: no form for " + v.Type().String())
}

// Parse reads what Append wrote of a value of the type that into points to.
func Parse(b []byte, into any) error {
	r := &reader{rest: b}
	if err := r.value(reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	if len(r.rest) > 0 {
		return fmt.Errorf("%d bytes are left of the message", len(r.rest))
	}
	return nil
}

type reader struct{ rest []byte }

func (r *reader) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		n, err := r.uint()
		if err != nil || n > 1 {
			return errors.Join(err, notOne(n, 1))
		}
		v.SetBool(n == 1)
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, size := binary.Varint(r.rest)
		if size <= 0 || v.OverflowInt(n) {
			return errShort
		}
		r.rest = r.rest[size:]
		v.SetInt(n)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := r.uint()
		if err != nil || v.OverflowUint(n) {
			return errShort
		}
		v.SetUint(n)
		return nil
	case reflect.String:
		p, err := r.bytes()
		v.SetString(string(p))
		return err
	case reflect.Array:
		return r.array(v)
	case reflect.Slice:
		return r.slice(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if err := r.value(v.Field(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Pointer:
		return r.pointer(v)
	}
	return fmt.Errorf("%v has no plain form", v.Type())
}

func notOne(n, most uint64) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("%d is more than %d", n, most)
}

func (r *reader) pointer(v reflect.Value) error {
	n, err := r.uint()
	if err != nil || n > 1 {
		return errors.Join(err, notOne(n, 1))
	}
	if n == 0 {
		v.SetZero()
		return nil
	}
	v.Set(reflect.New(v.Type().Elem()))
	return r.value(v.Elem())
}

// slice reads one as it grows: how many are said to follow is not believed.
func (r *reader) slice(v reflect.Value) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		p, err := r.bytes()
		if len(p) > 0 {
			v.SetBytes(append([]byte(nil), p...))
		}
		return err
	}
	n, err := r.uint()
	if err != nil || n > uint64(len(r.rest)) { // each takes a byte at least
		return errShort
	}
	out := reflect.MakeSlice(v.Type(), 0, int(min(n, 64)))
	for range n {
		one := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(one); err != nil {
			return err
		}
		out = reflect.Append(out, one)
	}
	if n > 0 {
		v.Set(out)
	}
	return nil
}

func (r *reader) array(v reflect.Value) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if len(r.rest) < v.Len() {
			return errShort
		}
		r.rest = r.rest[reflect.Copy(v, reflect.ValueOf(r.rest)):]
		return nil
	}
	for i := range v.Len() {
		if err := r.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) uint() (uint64, error) {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		return 0, errShort
	}
	r.rest = r.rest[size:]
	return n, nil
}

func (r *reader) bytes() ([]byte, error) {
	n, err := r.uint()
	if err != nil || n > uint64(len(r.rest)) {
		return nil, errShort
	}
	p := r.rest[:n]
	r.rest = r.rest[n:]
	return p, nil
}
