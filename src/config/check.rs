//! Walks a tree beside a table of keys: reports what does not fit, fills in defaults, gives values their types.

use std::collections::BTreeMap;

use quire::ast::{Ast, NullKind, ScalarKind, Tag};
use serde_json::{Map, Value};

use super::number;
use super::problem::{Problem, Stage};
use super::schema::{Default, Key, KeyRule, Kind, PathRule, Structure, Variant};
use super::source::{Place, Sources};
use super::suggest::closest;

/// One walk over a document.
#[derive(Debug)]
pub struct Checker<'a> {
    sources: &'a Sources,
    problems: Vec<Problem>,
    /// Names of the keys above, for `Decode error at .commands.test`.
    path: Vec<String>,
}

impl<'a> Checker<'a> {
    /// A checker for documents of these sources.
    pub fn new(sources: &'a Sources) -> Checker<'a> {
        Checker {
            sources,
            problems: Vec::new(),
            path: Vec::new(),
        }
    }

    /// The problems found.
    pub fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// The typed value of a node; null stands in for what is wrong and has been reported.
    pub fn check(&mut self, ast: Ast, kind: &Kind) -> Value {
        match kind {
            Kind::List(element) => self.list(ast, element, false),
            Kind::FilledList(element) => self.list(ast, element, true),
            Kind::Map(rule, value) => self.map(ast, *rule, value),
            Kind::Nullable(_) if is_null(&ast) => Value::Null,
            Kind::Nullable(inner) => self.check(ast, inner),
            Kind::PathDefault(path) if is_null(&ast) => Value::from(*path),
            Kind::Structure(structure) => self.structure(ast, structure),
            Kind::Tagged { variants, default } => self.tagged(ast, variants, *default),
            Kind::Nothing => self.nothing(ast),
            Kind::ShellOrCommand => self.shell_or_command(ast),
            scalar => {
                let place = self.sources.place(&ast.pos());
                match ast {
                    Ast::Scalar(_, _, _, text) => self.scalar(text, place, scalar),
                    _ if matches!(scalar, Kind::Path(_)) => self.invalid(place, "Path expected"),
                    _ => self.invalid(place, "Value must be scalar"),
                }
            }
        }
    }

    fn problem(&mut self, stage: Stage, place: Place, text: String) -> Value {
        let place = self.sources.settle(place);
        self.problems.push(Problem::new(stage, place, text));
        Value::Null
    }

    fn invalid(&mut self, place: Place, text: impl Into<String>) -> Value {
        self.problem(Stage::Validation, place, text.into())
    }

    fn undecodable(&mut self, place: Place, text: String) -> Value {
        let path = self.path_text();
        self.problem(Stage::Decode(path), place, text)
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for name in &self.path {
            if !name.starts_with('[') {
                text.push('.');
            }
            text.push_str(name);
        }
        if text.is_empty() {
            text.push('.');
        }
        text
    }

    fn scalar(&mut self, text: String, place: Place, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => self.undecodable(place, format!("bad boolean {text:?}, write true or false")),
            },
            Kind::Number { min, max } => self.number(&text, place, *min, *max),
            Kind::Digits => match text.parse::<u64>() {
                Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Value::from(number),
                _ => self.invalid(
                    place,
                    format!("number error: {text:?} is not made of decimal digits"),
                ),
            },
            Kind::Path(rule) => {
                self.path_rule(&text, place, *rule);
                Value::String(text)
            }
            Kind::IdRange => match id_range(&text) {
                Ok((start, end)) => serde_json::json!({ "start": start, "end": end }),
                Err(why) => self.undecodable(place, format!("Error parsing range {text:?}: {why}")),
            },
            Kind::Choice(words) => {
                let word = text.replace('-', "_");
                if words.contains(&word.as_str()) {
                    return Value::String(word);
                }
                let known: Vec<String> = words.iter().map(|w| w.replace('_', "-")).collect();
                let text = format!("unknown value {text:?}, expected one of {}", known.join(", "));
                self.undecodable(place, text)
            }
            _ => Value::String(text),
        }
    }

    fn number(&mut self, text: &str, place: Place, min: i64, max: i64) -> Value {
        match number::parse(text) {
            Ok(n) if n < min => self.invalid(place, format!("Value must be at least {min}")),
            Ok(n) if n > max => self.invalid(place, format!("Value must be at most {max}")),
            Ok(n) => Value::from(n),
            Err(why) => self.invalid(place, format!("number error: {why}: {text:?}")),
        }
    }

    fn path_rule(&mut self, text: &str, place: Place, rule: PathRule) {
        let absolute = text.starts_with('/');
        let climbs = text.split('/').any(|part| part == "..");
        match rule {
            PathRule::Absolute if !absolute => {
                self.invalid(place, format!("Path must be absolute: {text:?}"));
            }
            PathRule::Relative if absolute => {
                self.invalid(place, format!("Path must not be absolute: {text:?}"));
            }
            PathRule::Relative if climbs => {
                self.invalid(place, format!("The /../ is not allowed in path {text:?}"));
            }
            _ => {}
        }
    }

    fn list(&mut self, ast: Ast, element: &Kind, filled: bool) -> Value {
        let place = self.sources.place(&ast.pos());
        let items = match ast {
            Ast::Seq(_, _, items) => items,
            Ast::Null(_, _, NullKind::Implicit) => Vec::new(),
            _ => return self.invalid(place, "Value must be sequence"),
        };
        if filled && items.is_empty() {
            return self.invalid(place, "Expected sequence with at least 1 element(s)");
        }
        let mut values = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            self.path.push(format!("[{i}]"));
            values.push(self.check(item, element));
            self.path.pop();
        }
        Value::Array(values)
    }

    fn shell_or_command(&mut self, ast: Ast) -> Value {
        let place = self.sources.place(&ast.pos());
        let (name, value) = match ast {
            Ast::Scalar(_, _, _, text) => ("Shell", Value::String(text)),
            Ast::Seq(_, _, ref items) if items.is_empty() => {
                let text = "`run` must contain at least a command (at least one element is required)";
                return self.invalid(place, text);
            }
            Ast::Seq(..) => ("Command", self.list(ast, &Kind::Text, false)),
            _ => return self.invalid(place, "Value must be scalar or sequence"),
        };
        tagged_value(name, value)
    }

    fn nothing(&mut self, ast: Ast) -> Value {
        if !is_null(&ast) {
            let place = self.sources.place(&ast.pos());
            return self.invalid(place, format!("Null expected, {} found", kind_name(&ast)));
        }
        Value::Null
    }

    fn map(&mut self, ast: Ast, rule: KeyRule, kind: &Kind) -> Value {
        let place = self.sources.place(&ast.pos());
        let items = match ast {
            Ast::Map(_, _, items) => items,
            Ast::Null(_, _, NullKind::Implicit) => BTreeMap::new(),
            _ => return self.invalid(place, "Value must be mapping"),
        };
        let mut values = Map::new();
        for (key, item) in items {
            let value_place = self.sources.place(&item.pos());
            let key = self.map_key(key, rule, place, value_place);
            self.path.push(key.clone());
            let value = self.check(item, kind);
            self.path.pop();
            values.insert(key, value);
        }
        Value::Object(values)
    }

    fn map_key(&mut self, key: String, rule: KeyRule, map: Place, value: Place) -> String {
        let fits = match rule {
            KeyRule::Any => return key,
            KeyRule::Path(PathRule::Absolute) => key.starts_with('/'),
            KeyRule::Path(PathRule::Relative) => {
                !key.starts_with('/') && !key.split('/').any(|part| part == "..")
            }
            KeyRule::Path(PathRule::Any) => true,
            KeyRule::Port => matches!(number::parse(&key), Ok(1..=65535)),
        };
        if fits && rule == KeyRule::Port {
            return number::parse(&key).map_or(key, |n| n.to_string());
        }
        if !fits {
            let place = self.sources.key_place(&key, map, value);
            match rule {
                KeyRule::Path(rule) => self.path_rule(&key, place, rule),
                _ => {
                    self.invalid(place, format!("number error: {key:?} is not a port"));
                }
            }
        }
        key
    }

    fn structure(&mut self, ast: Ast, structure: &Structure) -> Value {
        let place = self.sources.place(&ast.pos());
        let items = match ast {
            Ast::Map(_, _, items) => items,
            Ast::Null(_, _, NullKind::Implicit) => BTreeMap::new(),
            Ast::Scalar(pos, _, kind, text) if structure.scalar.is_some() => {
                let name = structure.scalar.unwrap_or_default().to_string();
                BTreeMap::from([(name, Ast::Scalar(pos, Tag::NonSpecific, kind, text))])
            }
            _ => return self.invalid(place, "Value must be mapping"),
        };
        let mut values = Map::new();
        for (name, item) in items {
            match structure.find(&name) {
                Some(key) if !values.contains_key(key.name) => {
                    self.path.push(name);
                    let value = self.member(item, key);
                    self.path.pop();
                    values.insert(key.name.to_string(), value);
                }
                _ if name.starts_with('_') => {}
                known => self.unexpected_key(&name, known, &item, structure, place),
            }
        }
        for key in structure.iter() {
            if values.contains_key(key.name) {
                continue;
            }
            match default_value(&key.default) {
                Some(Value::Null) => {}
                Some(value) => {
                    values.insert(key.name.to_string(), value);
                }
                None => self.missing(key, place),
            }
        }
        Value::Object(values)
    }

    fn member(&mut self, item: Ast, key: &Key) -> Value {
        let nullable = matches!(key.default, Default::Null | Default::TextOrNull(_));
        if nullable && is_null(&item) {
            return Value::Null;
        }
        self.check(item, &key.kind)
    }

    /// One problem in two lines: the missing key, and the path of the structure in place of an excerpt.
    fn missing(&mut self, key: &Key, place: Place) {
        let place = self.sources.settle(place);
        let text = format!("Field {} is expected", key.name);
        let mut problem = Problem::new(Stage::Validation, place, text);
        problem.excerpt = false;
        self.problems.push(problem);
        let stage = Stage::Decode(self.path_text());
        let mut problem = Problem::new(stage, place, format!("missing field `{}`", key.name));
        problem.excerpt = false;
        self.problems.push(problem);
    }

    fn unexpected_key(
        &mut self,
        name: &str,
        known: Option<&Key>,
        item: &Ast,
        structure: &Structure,
        map: Place,
    ) {
        let value = self.sources.place(&item.pos());
        let place = self.sources.key_place(name, map, value);
        let mut text = format!("Keys {{{name:?}}} are not expected");
        let keys: Vec<String> = structure.iter().map(|k| k.name.replace('_', "-")).collect();
        if let Some(key) = known {
            let other = key.name.replace('_', "-");
            text.push_str(&format!(" (this is the same key as {other:?})"));
        } else if let Some(close) = closest(name, keys.iter().map(String::as_str)) {
            text.push_str(&format!(" (did you mean {close:?}?)"));
        }
        self.invalid(place, text);
    }

    fn tagged(&mut self, ast: Ast, variants: &[Variant], default: Option<&str>) -> Value {
        let place = self.sources.place(&ast.pos());
        let tag = match (ast.tag(), default) {
            (Tag::LocalTag(tag), _) => tag.clone(),
            (_, Some(default)) => default.to_string(),
            _ => {
                let tags: Vec<&str> = variants.iter().map(|v| v.tag).collect();
                return self.invalid(place, format!("One of the tags {tags:?} expected"));
            }
        };
        let Some(variant) = variants.iter().find(|v| v.tag == tag) else {
            let mut text = format!("The tag {tag} is not expected");
            if let Some(close) = closest(&tag, variants.iter().map(|v| v.tag)) {
                text.push_str(&format!(" (did you mean !{close}?)"));
            }
            let place = self.sources.tag_place(&tag, place);
            return self.invalid(place, text);
        };
        let value = self.check(ast, &variant.kind);
        match variant.kind {
            Kind::Nothing => Value::String(tag),
            _ => tagged_value(variant.tag, value),
        }
    }
}

fn tagged_value(tag: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(tag.to_string(), value)]))
}

/// Null in any of its spellings: nothing, `~`, `null`, `Null`, `NULL`. The last two are null only where null is
/// allowed; elsewhere they stay the text that they are in older configurations.
fn is_null(ast: &Ast) -> bool {
    match ast {
        Ast::Null(..) => true,
        Ast::Scalar(_, _, ScalarKind::Plain, text) => text == "Null" || text == "NULL",
        _ => false,
    }
}

fn kind_name(ast: &Ast) -> &'static str {
    match ast {
        Ast::Map(..) => "mapping",
        Ast::Seq(..) => "sequence",
        Ast::Scalar(..) => "scalar",
        Ast::Null(..) => "null",
    }
}

fn default_value(default: &Default) -> Option<Value> {
    Some(match default {
        Default::Required => return None,
        Default::Null => Value::Null,
        Default::Bool(flag) => Value::Bool(*flag),
        Default::Number(number) => Value::from(*number),
        Default::Text(text) | Default::TextOrNull(text) | Default::Tag(text) => Value::from(*text),
        Default::Words(words) => Value::from(words.to_vec()),
        Default::List => Value::Array(Vec::new()),
        Default::Map => Value::Object(Map::new()),
        Default::Ids(end) => serde_json::json!([{ "start": 0, "end": end }]),
    })
}

/// `N` or `N-M` as half-open range.
fn id_range(text: &str) -> Result<(u32, u32), &'static str> {
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| "expected N or N-M");
    let (start, last) = match text.split_once('-') {
        Some((start, last)) => (number(start)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if last < start {
        return Err("the range ends before it starts");
    }
    let end = last.checked_add(1).ok_or("the id is too large")?;
    Ok((start, end))
}
