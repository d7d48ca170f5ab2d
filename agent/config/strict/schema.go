package strict

import "reflect"

// Describe returns the JSON Schema of a section's type.
func Describe[T any]() map[string]any { return describe(reflect.TypeFor[T]()) }

// describe returns the schema of a type.
func describe(t reflect.Type) map[string]any {
	if l, ok := reflect.New(t).Interface().(Leaf); ok {
		return l.Schema()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describe(t.Elem())
	case reflect.Slice:
		list := map[string]any{"type": []string{"array", "null"}, "items": describe(t.Elem())}
		if _, ok := reflect.New(t).Interface().(Lone); ok {
			list["type"], list["minItems"] = "array", 1
			return map[string]any{"oneOf": []any{describe(t.Elem()), list}}
		}
		return list
	case reflect.Map:
		return map[string]any{
			"type":                 []string{"object", "null"},
			"propertyNames":        describe(t.Key()),
			"additionalProperties": describe(t.Elem()),
		}
	case reflect.Struct:
		return describeSection(t)
	}
	return map[string]any{}
}

func describeSection(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[Unused]() {
		return map[string]any{}
	}
	keys, need, either := map[string]any{}, []string{}, []any{}
	for _, f := range fieldsOf(t) {
		if f.kind == reflect.TypeFor[NotYet]() {
			continue
		}
		one := describe(f.kind)
		if f.need && f.kind.Kind() == reflect.Slice && one["items"] != nil {
			one["type"], one["minItems"] = "array", 1
		}
		if f.doc != "" {
			one["description"] = f.doc
		}
		keys[f.name] = one
		for _, name := range f.also {
			keys[name] = one
		}
		switch {
		case f.need && len(f.also) > 0:
			ways := []any{}
			for _, name := range append([]string{f.name}, f.also...) {
				ways = append(ways, map[string]any{"required": []string{name}})
			}
			either = append(either, map[string]any{"anyOf": ways})
		case f.need:
			need = append(need, f.name)
		}
	}
	section := map[string]any{"type": "object", "properties": keys, "additionalProperties": false}
	if len(either) > 0 {
		section["allOf"] = either
	}
	if len(need) > 0 {
		section["required"] = need
	} else if len(either) == 0 {
		section["type"] = []string{"object", "null"}
	}
	if s, ok := reflect.New(t).Interface().(Short); ok {
		return map[string]any{"oneOf": []any{section, s.ShortSchema()}}
	}
	return section
}
