package flask

import "github.com/sojourn-go/sojourn/internal/tagged"

// Encode returns the tagged JSON text of a session's fields, to the byte as
// Flask writes it. Values may be what a sojourn.Field can hold.
func Encode(fields map[string]any) (string, error) {
	text, err := tagged.Append(nil, fields)
	return string(text), err
}

// Decode reads the tagged JSON text of a session's fields. Values are nil,
// bool, int64 or *big.Int, float64, string (a lone surrogate as its three
// bytes), []any, sojourn.Tuple, map[string]any, []byte, template.HTML,
// sojourn.UUID or time.Time.
func Decode(text string) (map[string]any, error) {
	members, err := tagged.Split(nil, text, false)
	if err != nil {
		return nil, refusePayload(err)
	}
	fields := make(map[string]any, len(members))
	for _, m := range members {
		if fields[m.Name], err = tagged.Decode(m.Raw, false); err != nil {
			return nil, refusePayload(err)
		}
	}
	return fields, nil
}
