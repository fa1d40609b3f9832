//! A JSON schema (draft 2020-12) made of a table of keys, for editors and other checkers.
//!
//! It describes the *JSON view* of a document: tags are gone, scalars have the types of YAML's core schema. JSON has no
//! tags, so that a tagged value fits when it fits any of its tags. What the checker accepts fits the schema; the
//! schema lets a little more pass, since it cannot see tags, nor which file is included.

use serde_json::{json, Map, Value as Json};

use super::schema::{Default, Key, KeyRule, Kind, PathRule, Structure, Variant};

/// Any scalar but null, for text that is read verbatim.
const SCALAR: [&str; 3] = ["string", "number", "boolean"];
/// What `!*Include` leaves in the view of an editor that does not follow it.
const INCLUDED: &str = "\\.ya?ml$";

/// The schema of documents of this kind. `id` is its address, `title` its name.
pub fn json_schema(id: &str, title: &str, kind: &Kind) -> Json {
    let mut writer = Writer::default();
    let mut root = match writer.kind(kind) {
        Json::Object(root) => root,
        other => Map::from_iter([("const".to_string(), other)]),
    };
    root.insert(
        "$schema".into(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("$id".into(), json!(id));
    root.insert("title".into(), json!(title));
    root.insert("$defs".into(), Json::Object(writer.definitions));
    Json::Object(root)
}

/// Structures and sets of tags are defined once, by their place in memory, and referred to by name.
#[derive(Default)]
struct Writer {
    known: Vec<(*const (), String)>,
    definitions: Map<String, Json>,
}

impl Writer {
    fn kind(&mut self, kind: &Kind) -> Json {
        match kind {
            Kind::Text => json!({ "type": SCALAR }),
            Kind::Bool => json!({ "enum": [true, false, "true", "false"] }),
            Kind::Number { min, max } | Kind::Integer { min, max } => number(*min, *max),
            Kind::IpAddress | Kind::IpNetwork => json!({ "type": "string" }),
            Kind::Anything => json!({}),
            Kind::Digits => one_of(&[json!({"type": "integer", "minimum": 0}), text("^[0-9]+$")]),
            Kind::Duration { .. } => one_of(&[
                json!({"type": "integer", "minimum": 0}),
                text("^\\s*([0-9]+\\s*[A-Za-z]+\\s*)+$|^[0-9]+$"),
            ]),
            Kind::Path(rule) => path(*rule),
            Kind::PathDefault(default) => {
                json!({ "type": [SCALAR[0], SCALAR[1], SCALAR[2], "null"], "default": default })
            }
            Kind::IdRange => one_of(&[
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX - 1}),
                text("^\\s*[0-9]+\\s*(-\\s*[0-9]+\\s*)?$"),
            ]),
            Kind::Choice(words) => choice(words),
            Kind::List(element) => self.list(element, 0),
            Kind::FilledList(element) => self.list(element, 1),
            Kind::Map(rule, value) => self.map(*rule, value),
            Kind::Nullable(kind) => or_null(self.kind(kind)),
            Kind::ShellOrCommand => {
                let words = self.list(&Kind::Text, 1);
                one_of(&[json!({ "type": SCALAR }), words])
            }
            Kind::Structure(structure) => self.structure(structure),
            Kind::Tagged { variants, .. } => self.tagged(variants),
            Kind::Nothing => json!({ "type": "null" }),
        }
    }

    /// Elements may come in bundles that `!*Unpack` opens; an empty value is an empty sequence.
    fn list(&mut self, element: &Kind, least: usize) -> Json {
        let element = self.kind(element);
        let items = one_of(&[element.clone(), json!({ "type": "array", "items": element })]);
        let list = json!({ "type": "array", "items": items });
        match least {
            0 => or_null(list),
            _ => json!({ "type": "array", "items": list["items"], "minItems": least }),
        }
    }

    fn map(&mut self, rule: KeyRule, value: &Kind) -> Json {
        let value = self.kind(value);
        let mut map = json!({ "type": "object", "additionalProperties": value });
        let names = match rule {
            KeyRule::Any => None,
            KeyRule::Path(rule) => path_pattern(rule).map(str::to_string),
            KeyRule::Port => Some("^[0-9xa-fA-F_o]+$".to_string()),
        };
        if let Some(pattern) = names {
            map["propertyNames"] = json!({ "pattern": format!("{pattern}|^<<$") });
        }
        map["properties"] = json!({ "<<": {} });
        one_of(&[map, json!({ "type": "null" }), text(INCLUDED)])
    }

    fn structure(&mut self, structure: &'static Structure) -> Json {
        let address = std::ptr::from_ref(structure).cast();
        self.reference("structure", address, |writer| writer.definition(structure))
    }

    fn tagged(&mut self, variants: &'static [Variant]) -> Json {
        self.reference("tags", variants.as_ptr().cast(), |writer| writer.forms(variants))
    }

    fn reference(
        &mut self,
        prefix: &str,
        address: *const (),
        define: impl FnOnce(&mut Writer) -> Json,
    ) -> Json {
        let known = self.known.iter().find(|(known, _)| *known == address);
        let name = match known {
            Some((_, name)) => name.clone(),
            None => {
                let name = format!("{prefix}{}", self.known.len() + 1);
                self.known.push((address, name.clone()));
                let definition = define(self);
                self.definitions.insert(name.clone(), definition);
                name
            }
        };
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn definition(&mut self, structure: &'static Structure) -> Json {
        let mut properties = Map::from_iter([("<<".to_string(), json!({}))]);
        let mut needed = Vec::new();
        for key in structure.iter() {
            self.property(key, &mut properties);
            if key.default == Default::Required {
                needed.push(spellings(key));
            }
        }
        let mut object = json!({
            "type": "object",
            "properties": properties,
            "patternProperties": { "^_": {} },
            "additionalProperties": false,
        });
        if !needed.is_empty() {
            let either = |names: &Vec<String>| match &names[..] {
                [name] => json!({ "required": [name] }),
                names => one_of(
                    &names
                        .iter()
                        .map(|n| json!({ "required": [n] }))
                        .collect::<Vec<_>>(),
                ),
            };
            // What a merge brings is not seen here.
            let here = json!({ "allOf": needed.iter().map(either).collect::<Vec<_>>() });
            object["anyOf"] = json!([here, { "required": ["<<"] }]);
        }
        let mut forms = vec![object, json!({ "type": "null" }), text(INCLUDED)];
        if structure.scalar.is_some() {
            forms.push(json!({ "type": SCALAR }));
        }
        one_of(&forms)
    }

    /// A key under both of its spellings; editors suggest the one with dashes.
    fn property(&mut self, key: &'static Key, properties: &mut Map<String, Json>) {
        let mut schema = self.kind(&key.kind);
        if matches!(key.default, Default::Null | Default::TextOrNull(_)) {
            schema = or_null(schema);
        }
        let mut described = match schema.get("$ref") {
            Some(_) => json!({ "allOf": [schema] }),
            None => schema.clone(),
        };
        described["description"] = json!(key.doc);
        if let Some(default) = default_value(&key.default) {
            described["default"] = default;
        }
        let names = spellings(key);
        if let [dashed, underscored] = &names[..] {
            let text = format!("The same as {dashed}.");
            let other = json!({ "description": text, "doNotSuggest": true, "allOf": [schema] });
            properties.insert(underscored.clone(), other);
        }
        if let Some(name) = names.into_iter().next() {
            properties.insert(name, described);
        }
    }

    fn forms(&mut self, variants: &'static [Variant]) -> Json {
        let mut forms: Vec<Json> = Vec::new();
        for variant in variants {
            let mut form = self.kind(&variant.kind);
            if form.get("$ref").is_some() {
                form = json!({ "title": format!("!{}", variant.tag), "description": variant.doc, "allOf": [form] });
            }
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms.push(text(INCLUDED));
        one_of(&forms)
    }
}

/// With dashes first, then with underscores if that differs.
fn spellings(key: &Key) -> Vec<String> {
    let dashed = key.name.replace('_', "-");
    match dashed == key.name {
        true => vec![dashed],
        false => vec![dashed, key.name.to_string()],
    }
}

fn one_of(forms: &[Json]) -> Json {
    json!({ "anyOf": forms })
}

fn or_null(schema: Json) -> Json {
    one_of(&[schema, json!({ "type": "null" })])
}

fn text(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": pattern })
}

/// A number as such, or as text with a base prefix, underscores or a unit.
fn number(min: i64, max: i64) -> Json {
    one_of(&[
        json!({ "type": "integer", "minimum": min, "maximum": max }),
        text("^\\s*[-+]?(0[xob])?[0-9a-fA-F_]+\\s*(ki|Mi|Gi|Ti|k|M|G|T)?\\s*$"),
    ])
}

fn path(rule: PathRule) -> Json {
    match path_pattern(rule) {
        None => json!({ "type": SCALAR }),
        Some(pattern) if rule == PathRule::Absolute => text(pattern),
        Some(pattern) => one_of(&[text(pattern), json!({ "type": ["number", "boolean"] })]),
    }
}

fn path_pattern(rule: PathRule) -> Option<&'static str> {
    match rule {
        PathRule::Any => None,
        PathRule::Absolute => Some("^/"),
        PathRule::Home => Some("^(/|~(/|$))"),
        PathRule::Relative => Some("^(?!/)(?!(.*/)?\\.\\.(/|$))"),
    }
}

fn choice(words: &[&str]) -> Json {
    let mut all: Vec<String> = words.iter().map(|w| w.replace('_', "-")).collect();
    all.extend(words.iter().filter(|w| w.contains('_')).map(ToString::to_string));
    json!({ "enum": all })
}

fn default_value(default: &Default) -> Option<Json> {
    Some(match default {
        Default::Required | Default::Null => return None,
        Default::Bool(flag) => json!(flag),
        Default::Number(number) => json!(number),
        Default::Text(text) | Default::TextOrNull(text) => json!(text),
        Default::Tag(word) => json!(word.replace('_', "-")),
        Default::Words(words) => json!(words),
        Default::List => json!([]),
        Default::Map => json!({}),
        Default::Ids(end) => json!([format!("0-{}", end.saturating_sub(1))]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{optional, required, variant};

    const INNER: Structure = Structure {
        keys: &[&[
            required("run_it", Kind::ShellOrCommand, "What."),
            optional("size", Kind::Number { min: 1, max: 9 }, "How large."),
        ]],
        scalar: Some("run_it"),
    };
    const TAGGED: Kind = Kind::Tagged {
        variants: &[
            variant("A", Kind::Structure(&INNER), "An A."),
            variant("B", Kind::Text, "A B."),
            variant("C", Kind::Text, "A C."),
        ],
        default: None,
    };

    #[test]
    fn keys_have_both_spellings_and_their_line_of_documentation() {
        let schema = json_schema("https://x", "X", &Kind::Structure(&INNER));
        let object = &schema["$defs"]["structure1"]["anyOf"][0];
        assert_eq!(object["properties"]["run-it"]["description"], "What.");
        assert_eq!(object["properties"]["run_it"]["doNotSuggest"], true);
        assert_eq!(object["additionalProperties"], false);
        let needed = &object["anyOf"][0]["allOf"][0]["anyOf"];
        assert_eq!(needed[0]["required"][0], "run-it");
        let scalar = &schema["$defs"]["structure1"]["anyOf"][3]["type"];
        assert_eq!(scalar[0], "string");
    }

    #[test]
    fn equal_forms_of_tags_are_written_once() {
        let schema = json_schema("https://x", "X", &TAGGED);
        let forms = schema["$defs"]["tags1"]["anyOf"].as_array().unwrap();
        assert_eq!(forms.len(), 3, "{forms:?}");
        assert_eq!(forms[0]["title"], "!A");
    }
}
