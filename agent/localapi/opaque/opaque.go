// Package opaque has strings of any bytes as JSON. Strings there are Unicode,
// names of files are not: what is not valid UTF-8 becomes {"base64": "…"}.
package opaque

import (
	"encoding/json"
	"unicode/utf8"
)

// A String is any bytes.
type String string

type encoded struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (o String) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(o)) {
		return json.Marshal(string(o))
	}
	return json.Marshal(encoded{[]byte(o)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *String) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var v encoded
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		*o = String(v.Base64)
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*o = String(s)
	return nil
}

// Strings are any bytes each; none are an empty list, and not null.
type Strings []string

// MarshalJSON implements json.Marshaler.
func (o Strings) MarshalJSON() ([]byte, error) {
	out := make([]String, len(o))
	for i, s := range o {
		out[i] = String(s)
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Strings) UnmarshalJSON(b []byte) error {
	var in []String
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*o = make(Strings, len(in))
	for i, s := range in {
		(*o)[i] = string(s)
	}
	return nil
}
