package localapi

import (
	"encoding/json"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/opaque"
)

type copyOrderJSON struct {
	Sources      []opaque.String   `json:"sources"`
	Destinations []destinationJSON `json:"destinations"`
}

type destinationJSON struct {
	Agent     mft.AgentName  `json:"agent"`
	Path      opaque.String  `json:"path"`
	Overwrite mft.Overwrite  `json:"overwrite,omitempty"`
	Transfer  mft.TransferID `json:"transfer,omitzero"`
	Compare   mft.Compare    `json:"compare,omitempty"`
	Compress  mft.Compress   `json:"compress,omitempty"`
	Mirror    *Mirror        `json:"mirror,omitempty"`
}

// mirrorOf and order turn a mirror into what stands in JSON and back.
func mirrorOf(m mft.Mirror) *Mirror {
	if !m.On {
		return nil
	}
	return &Mirror{m.MaxFiles, m.MaxPercent}
}

func (m *Mirror) order() mft.Mirror {
	if m == nil {
		return mft.Mirror{}
	}
	return mft.Mirror{On: true, MaxFiles: m.MaxFiles, MaxPercent: m.MaxPercent}
}

// MarshalJSON implements json.Marshaler.
func (o CopyOrder) MarshalJSON() ([]byte, error) {
	j := copyOrderJSON{Sources: opaque.List(o.Sources)}
	for _, d := range o.Destinations {
		j.Destinations = append(j.Destinations, destinationJSON{
			d.Agent, opaque.String(d.Path), d.Overwrite, d.Transfer, d.Compare, d.Compress, mirrorOf(d.Mirror),
		})
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *CopyOrder) UnmarshalJSON(b []byte) error {
	var j copyOrderJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*o = CopyOrder{Sources: opaque.Strings(j.Sources)}
	for _, d := range j.Destinations {
		o.Destinations = append(o.Destinations, Destination{
			d.Agent, string(d.Path), d.Overwrite, d.Transfer, d.Compare, d.Compress, d.Mirror.order(),
		})
	}
	return nil
}

type requestOrderJSON struct {
	Agent     mft.AgentName  `json:"agent"`
	Path      opaque.String  `json:"path"`
	Into      opaque.String  `json:"into"`
	Overwrite mft.Overwrite  `json:"overwrite,omitempty"`
	Transfer  mft.TransferID `json:"transfer,omitzero"`
	Compare   mft.Compare    `json:"compare,omitempty"`
	Compress  mft.Compress   `json:"compress,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (o RequestOrder) MarshalJSON() ([]byte, error) {
	return json.Marshal(requestOrderJSON{o.Agent, opaque.String(o.Path), opaque.String(o.Into), o.Overwrite, o.Transfer, o.Compare, o.Compress})
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *RequestOrder) UnmarshalJSON(b []byte) error {
	var j requestOrderJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*o = RequestOrder{j.Agent, string(j.Path), string(j.Into), j.Overwrite, j.Transfer, j.Compare, j.Compress}
	return nil
}

// plainTransfer has the fields of Transfer without its methods.
type plainTransfer Transfer

// transferJSON overrides the fields that hold opaque bytes: the shallower
// field wins in encoding/json.
type transferJSON struct {
	plainTransfer
	Sources     []opaque.String `json:"sources"`
	Destination opaque.String   `json:"destination"`
}

// MarshalJSON implements json.Marshaler.
func (t Transfer) MarshalJSON() ([]byte, error) {
	return json.Marshal(transferJSON{plainTransfer(t), opaque.List(t.Sources), opaque.String(t.Destination)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Transfer) UnmarshalJSON(b []byte) error {
	var j transferJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*t = Transfer(j.plainTransfer)
	t.Sources, t.Destination = opaque.Strings(j.Sources), string(j.Destination)
	return nil
}
