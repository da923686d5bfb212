package bot

import (
	"muster/internal/catalogue"
)

// localizations are the name and the description of a command or an option in the
// languages of Discord, by its name of the language. Whatever people type, Discord
// sends the English name.
type localizations struct {
	Names        map[string]string `json:"name_localizations,omitempty"`
	Descriptions map[string]string `json:"description_localizations,omitempty"`
}

// localize puts texts in place of the keys that definitions are written with, and adds
// the names. The name of a command has the key "command." and its path, with dots; that
// of an option "option." and its English name, so that it is the same everywhere.
func localize(texts *catalogue.Set, defs []commandDef) {
	for i := range defs {
		d := &defs[i]
		key := "command." + d.Name
		_, d.Names = inEach(texts, key)
		d.Description, d.Descriptions = inEach(texts, d.Description)
		localizeOptions(texts, key, d.Options)
	}
}

func localizeOptions(texts *catalogue.Set, above string, options []optionDef) {
	for i := range options {
		o := &options[i]
		key := "option." + o.Name
		if o.Type == optionSubcommand {
			key = above + "." + o.Name
		}
		_, o.Names = inEach(texts, key)
		o.Description, o.Descriptions = inEach(texts, o.Description)
		for n := range o.Choices {
			if c := &o.Choices[n]; c.key != "" {
				c.Name, c.NameLocalizations = inEach(texts, c.key)
			}
		}
		localizeOptions(texts, key, o.Options)
	}
}

// inEach returns the text of a key in English, and in each other language by Discord's
// names of it.
func inEach(texts *catalogue.Set, key string) (english string, others map[string]string) {
	others = map[string]string{}
	for _, l := range catalogue.Languages() {
		for _, locale := range l.Locales {
			others[locale] = texts.For(l.Code).T(key)
		}
	}
	return texts.For(catalogue.Default).T(key), others
}
