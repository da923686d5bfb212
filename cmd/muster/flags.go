package main

import (
	"fmt"
	"reflect"
	"strings"

	"muster/configs"
)

// secretSettings may not be flags: every user of the machine can read a
// process's command line.
var secretSettings = map[string]bool{"discord.token": true, "game.service_id": true}

// settingFlags returns a struct for kong with one flag for each setting that is
// not a secret, made from the table of settings so that the two cannot drift.
// read returns the values given, by the setting's name.
func settingFlags() (target any, read func() map[string]string) {
	var fields []reflect.StructField
	var names []string
	for _, s := range configs.Settings() {
		if secretSettings[s.Name] {
			continue
		}
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Setting%d", len(fields)),
			Type: reflect.TypeFor[*string](),
			Tag: reflect.StructTag(fmt.Sprintf(`name:%q help:%q group:"settings" placeholder:%q`,
				s.Flag, helpOf(s), strings.ToUpper(lastWord(s.Name)))),
		})
		names = append(names, s.Name)
	}
	value := reflect.New(reflect.StructOf(fields))
	read = func() map[string]string {
		given := make(map[string]string)
		for i, name := range names {
			if text := value.Elem().Field(i); !text.IsNil() {
				given[name] = text.Elem().String()
			}
		}
		return given
	}
	return value.Interface(), read
}

// helpOf writes a setting's help as kong shows it. Kong would take $ and ${ in
// it as its own variables; no help has them.
func helpOf(s configs.Setting) string {
	help := s.Help + " [" + s.Env
	if s.Default != "" {
		help += ", default " + s.Default
	}
	return help + "]"
}

func lastWord(name string) string {
	return name[strings.LastIndexAny(name, "._")+1:]
}
