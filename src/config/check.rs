//! Walks a tree beside a table of keys: reports what does not fit, fills in defaults, gives values their types.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quire::ast::{Ast, NullKind, ScalarKind, Tag};
use quire::Pos;

use super::duration;
use super::number;
use super::problem::{Problem, Stage};
use super::schema::{Default, Key, KeyRule, Kind, PathRule, Structure, Variant};
use super::source::{Place, Sources};
use super::suggest::closest;
use super::value::Value;

/// Most problems that one walk collects; nobody reads more, and each costs a look at the text.
const MAX_PROBLEMS: usize = 100;

/// One walk over a document.
#[derive(Debug)]
pub struct Checker<'a> {
    sources: &'a Sources,
    problems: Vec<Problem>,
    /// Names of the keys above, for `Decode error at .commands.test`.
    path: Vec<Step>,
}

/// A step of the path to a value.
#[derive(Debug)]
enum Step {
    Key(&'static str),
    Name(String),
    Item(usize),
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
        let ast = self.sources.scalars.resolve(ast);
        match kind {
            Kind::List(element) => self.list(ast, element, false),
            Kind::FilledList(element) => self.list(ast, element, true),
            Kind::Map(rule, value) => self.map(ast, *rule, value),
            Kind::Nullable(_) if is_null(&ast) => Value::Null,
            Kind::Nullable(inner) => self.check(ast, inner),
            Kind::PathDefault(path) if is_null(&ast) => Value::Word(path),
            Kind::Structure(structure) => self.structure(ast, structure),
            Kind::Tagged { variants, default } => self.tagged(ast, variants, *default),
            Kind::Nothing => self.nothing(ast),
            Kind::Anything => Value::Null,
            Kind::ShellOrCommand => self.shell_or_command(ast),
            scalar => match ast {
                Ast::Scalar(pos, _, _, text) => self.scalar(text, &pos, scalar),
                _ if matches!(scalar, Kind::Path(_)) => self.invalid(&ast.pos(), "Path expected"),
                _ => self.invalid(&ast.pos(), "Value must be scalar"),
            },
        }
    }

    fn problem(&mut self, stage: Stage, place: Place, text: String) -> Value {
        if self.problems.len() < MAX_PROBLEMS {
            let place = self.sources.settle(place);
            self.problems.push(Problem::new(stage, place, text));
        }
        Value::Null
    }

    fn invalid(&mut self, pos: &Pos, text: impl Into<String>) -> Value {
        self.problem(Stage::Validation, self.sources.place(pos), text.into())
    }

    fn invalid_at(&mut self, place: Place, text: impl Into<String>) -> Value {
        self.problem(Stage::Validation, place, text.into())
    }

    fn undecodable(&mut self, pos: &Pos, text: String) -> Value {
        let path = self.path_text();
        self.problem(Stage::Decode(path), self.sources.place(pos), text)
    }

    fn path_text(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Key(name) => format!(".{name}"),
            Step::Name(name) => format!(".{name}"),
            Step::Item(index) => format!("[{index}]"),
        });
        let text: String = steps.collect();
        if text.is_empty() {
            ".".into()
        } else {
            text
        }
    }

    fn scalar(&mut self, text: String, pos: &Pos, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => self.undecodable(pos, format!("bad boolean {text:?}, write true or false")),
            },
            Kind::Number { min, max } => self.number(&text, pos, *min, *max),
            Kind::Integer { min, max } => {
                match text.trim_end().ends_with(['T', 't']) || text.trim_end().ends_with("Ti") {
                    true => self.invalid(
                        pos,
                        format!("number error: {text:?} has an unknown unit, use up to G or Gi"),
                    ),
                    false => self.number(&text, pos, *min, *max),
                }
            }
            Kind::IpAddress if text.parse::<IpAddr>().is_err() => {
                self.invalid(pos, format!("{text:?} is not an IP address"))
            }
            Kind::IpNetwork if !is_network(&text) => {
                self.invalid(pos, format!("{text:?} is not a network like 10.0.0.0/8"))
            }
            Kind::Digits => match text.parse::<u64>() {
                Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Value::Natural(number),
                _ => self.invalid(
                    pos,
                    format!("number error: {text:?} is not made of decimal digits"),
                ),
            },
            Kind::Duration { min, max } => self.duration(&text, pos, *min, *max),
            Kind::Path(rule) => {
                if let Some(why) = path_fault(&text, *rule) {
                    self.invalid(pos, why);
                }
                Value::Text(text)
            }
            Kind::IdRange => match id_range(&text) {
                Ok((start, end)) => range_value(start, end),
                Err(why) => self.undecodable(pos, format!("Error parsing range {text:?}: {why}")),
            },
            Kind::Choice(words) => self.choice(&text, pos, words),
            _ => Value::Text(text),
        }
    }

    fn choice(&mut self, text: &str, pos: &Pos, words: &'static [&'static str]) -> Value {
        let word = text.replace('-', "_");
        if let Some(word) = words.iter().find(|w| **w == word) {
            return Value::Word(word);
        }
        let known: Vec<String> = words.iter().map(|w| w.replace('_', "-")).collect();
        let text = format!("unknown value {text:?}, expected one of {}", known.join(", "));
        self.undecodable(pos, text)
    }

    fn number(&mut self, text: &str, pos: &Pos, min: i64, max: i64) -> Value {
        match number::parse(text) {
            Ok(n) if n < min => self.invalid(pos, format!("Value must be at least {min}")),
            Ok(n) if n > max => self.invalid(pos, format!("Value must be at most {max}")),
            Ok(n) => Value::Number(n),
            Err(why) => self.invalid(pos, format!("number error: {why}: {text:?}")),
        }
    }

    fn duration(&mut self, text: &str, pos: &Pos, min: i64, max: i64) -> Value {
        let seconds = text.parse::<u32>().map(|n| i64::from(n) * 1000);
        let length = seconds.or_else(|_| {
            let parsed = duration::parse(text)?;
            i64::try_from(parsed.as_millis()).map_err(|_| format!("bad duration {text:?}: it is too long"))
        });
        match length {
            Ok(n) if n < min => self.invalid(pos, format!("Duration must be at least {min}ms")),
            Ok(n) if n > max => self.invalid(pos, format!("Duration must be at most {}s", max / 1000)),
            Ok(n) => Value::Number(n),
            Err(why) => self.invalid(pos, why),
        }
    }

    fn list(&mut self, ast: Ast, element: &Kind, filled: bool) -> Value {
        let (pos, items) = match ast {
            Ast::Seq(pos, _, items) => (pos, items),
            Ast::Null(pos, _, NullKind::Implicit) => (pos, Vec::new()),
            other => return self.invalid(&other.pos(), "Value must be sequence"),
        };
        if filled && items.is_empty() {
            return self.invalid(&pos, "Expected sequence with at least 1 element(s)");
        }
        let mut values = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            self.path.push(Step::Item(i));
            values.push(self.check(item, element));
            self.path.pop();
        }
        Value::List(values)
    }

    fn shell_or_command(&mut self, ast: Ast) -> Value {
        match ast {
            Ast::Scalar(_, _, _, text) => Value::Tagged("Shell", Box::new(Value::Text(text))),
            Ast::Seq(pos, _, items) if items.is_empty() => {
                let text = "`run` must contain at least a command (at least one element is required)";
                self.invalid(&pos, text)
            }
            Ast::Seq(..) => Value::Tagged("Command", Box::new(self.list(ast, &Kind::Text, false))),
            other => self.invalid(&other.pos(), "Value must be scalar or sequence"),
        }
    }

    fn nothing(&mut self, ast: Ast) -> Value {
        if !is_null(&ast) {
            return self.invalid(&ast.pos(), format!("Null expected, {} found", kind_name(&ast)));
        }
        Value::Null
    }

    fn map(&mut self, ast: Ast, rule: KeyRule, kind: &Kind) -> Value {
        let (pos, items) = match ast {
            Ast::Map(pos, _, items) => (pos, items),
            Ast::Null(pos, _, NullKind::Implicit) => (pos, BTreeMap::new()),
            other => return self.invalid(&other.pos(), "Value must be mapping"),
        };
        let mut values = Vec::with_capacity(items.len());
        for (key, item) in items {
            let key = self.sources.scalars.resolve_text(key);
            let name = self.map_key(&key, rule, &pos, &item);
            self.path.push(Step::Name(key));
            let value = self.check(item, kind);
            let key = match self.path.pop() {
                Some(Step::Name(key)) => key,
                _ => String::new(),
            };
            values.push((name.unwrap_or(Value::Text(key)), value));
        }
        Value::Map(values)
    }

    /// Checks a key; gives its value if it is no text.
    fn map_key(&mut self, key: &str, rule: KeyRule, map: &Pos, item: &Ast) -> Option<Value> {
        let fault = match rule {
            KeyRule::Any => None,
            KeyRule::Path(rule) => path_fault(key, rule),
            KeyRule::Port => match number::parse(key) {
                Ok(port @ 1..=65535) => return Some(Value::Number(port)),
                _ => Some(format!("number error: {key:?} is not a port")),
            },
        };
        if let Some(fault) = fault {
            let place = self.key_place(key, map, item);
            self.invalid_at(place, fault);
        }
        None
    }

    fn key_place(&self, key: &str, map: &Pos, item: &Ast) -> Place {
        let value = self.sources.place(&item.pos());
        self.sources.key_place(key, self.sources.place(map), value)
    }

    fn structure(&mut self, ast: Ast, structure: &Structure) -> Value {
        let (pos, items) = match ast {
            Ast::Map(pos, _, items) => (pos, items),
            Ast::Null(pos, _, NullKind::Implicit) => (pos, BTreeMap::new()),
            Ast::Scalar(pos, _, kind, text) if structure.scalar.is_some() => {
                let name = structure.scalar.unwrap_or_default().to_string();
                let item = Ast::Scalar(pos.clone(), Tag::NonSpecific, kind, text);
                (pos, BTreeMap::from([(name, item)]))
            }
            other => return self.invalid(&other.pos(), "Value must be mapping"),
        };
        let mut given: Vec<&'static str> = Vec::with_capacity(items.len());
        let mut values = Vec::with_capacity(items.len() + 12);
        for (name, item) in items {
            let name = self.sources.scalars.resolve_text(name);
            match structure.find(&name) {
                Some(key) if !given.contains(&key.name) => {
                    given.push(key.name);
                    self.path.push(Step::Key(key.name));
                    let value = self.member(item, key);
                    self.path.pop();
                    values.push((Value::Word(key.name), value));
                }
                _ if name.starts_with('_') => {}
                known => self.unexpected_key(&name, known, &item, structure, &pos),
            }
        }
        for key in structure.iter().filter(|key| !given.contains(&key.name)) {
            match default_value(&key.default) {
                Some(Value::Null) => {}
                Some(value) => values.push((Value::Word(key.name), value)),
                None => self.missing(key, &pos),
            }
        }
        Value::Map(values)
    }

    fn member(&mut self, item: Ast, key: &Key) -> Value {
        let item = self.sources.scalars.resolve(item);
        let nullable = matches!(key.default, Default::Null | Default::TextOrNull(_));
        if nullable && (is_null(&item) || is_nil(&item, &key.kind)) {
            return Value::Null;
        }
        self.check(item, &key.kind)
    }

    /// One problem in two lines: the missing key, and the path of the structure in place of an excerpt.
    fn missing(&mut self, key: &Key, pos: &Pos) {
        let place = self.sources.settle(self.sources.place(pos));
        let lines = [
            (Stage::Validation, format!("Field {} is expected", key.name)),
            (
                Stage::Decode(self.path_text()),
                format!("missing field `{}`", key.name),
            ),
        ];
        for (stage, text) in lines {
            let mut problem = Problem::new(stage, place, text);
            problem.excerpt = false;
            self.problems.push(problem);
        }
    }

    fn unexpected_key(
        &mut self,
        name: &str,
        known: Option<&Key>,
        item: &Ast,
        structure: &Structure,
        map: &Pos,
    ) {
        let place = self.key_place(name, map, item);
        let mut text = format!("Keys {{{name:?}}} are not expected");
        let keys: Vec<String> = structure.iter().map(|k| k.name.replace('_', "-")).collect();
        if let Some(key) = known {
            let other = key.name.replace('_', "-");
            text.push_str(&format!(" (this is the same key as {other:?})"));
        } else if let Some(close) = closest(name, keys.iter().map(String::as_str)) {
            let doc = structure.find(close).map_or("", |k| k.doc);
            text.push_str(&format!(" (did you mean {close:?}?) {close}: {doc}"));
        }
        self.invalid_at(place, text);
    }

    fn tagged(&mut self, ast: Ast, variants: &'static [Variant], default: Option<&str>) -> Value {
        let tag = match (ast.tag(), default) {
            (Tag::LocalTag(tag), _) => tag.as_str(),
            (_, Some(default)) => default,
            _ => {
                let tags: Vec<&str> = variants.iter().map(|v| v.tag).collect();
                return self.invalid(&ast.pos(), format!("One of the tags {tags:?} expected"));
            }
        };
        let Some(variant) = variants.iter().find(|v| v.tag == tag) else {
            let mut text = format!("The tag {tag} is not expected");
            if let Some(close) = closest(tag, variants.iter().map(|v| v.tag)) {
                let doc = variants.iter().find(|v| v.tag == close).map_or("", |v| v.doc);
                text.push_str(&format!(" (did you mean !{close}?) !{close}: {doc}"));
            }
            let place = self.sources.tag_place(tag, self.sources.place(&ast.pos()));
            return self.invalid_at(place, text);
        };
        let value = self.check(ast, &variant.kind);
        match variant.kind {
            Kind::Nothing => Value::Word(variant.tag),
            _ => Value::Tagged(variant.tag, Box::new(value)),
        }
    }
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

/// Manuals of lithos write `nil` for a flag that is neither on nor off. As a text it would be a text.
fn is_nil(ast: &Ast, kind: &Kind) -> bool {
    matches!((ast, kind), (Ast::Scalar(_, _, ScalarKind::Plain, text), Kind::Bool) if text == "nil")
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
        Default::Number(number) => Value::Number(*number),
        Default::Text(text) | Default::TextOrNull(text) | Default::Tag(text) => Value::Word(text),
        Default::Words(words) => Value::List(words.iter().map(|word| Value::Word(word)).collect()),
        Default::List => Value::List(Vec::new()),
        Default::Map => Value::Map(Vec::new()),
        Default::Ids(end) => Value::List(vec![range_value(0, *end)]),
    })
}

fn range_value(start: u32, end: u32) -> Value {
    let field = |name, number: u32| (Value::Word(name), Value::Number(number.into()));
    Value::Map(vec![field("start", start), field("end", end)])
}

/// What is wrong with a path, if anything is.
fn path_fault(text: &str, rule: PathRule) -> Option<String> {
    let absolute = text.starts_with('/');
    match rule {
        PathRule::Absolute if !absolute => Some(format!("Path must be absolute: {text:?}")),
        PathRule::Home if !absolute && text != "~" && !text.starts_with("~/") => {
            Some(format!("Path must be absolute: {text:?}"))
        }
        PathRule::Relative if absolute => Some(format!("Path must not be absolute: {text:?}")),
        PathRule::Relative if text.split('/').any(|part| part == "..") => {
            Some(format!("The /../ is not allowed in path {text:?}"))
        }
        _ => None,
    }
}

/// An address, alone or with the length of a prefix.
fn is_network(text: &str) -> bool {
    let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, p)| (ip, Some(p)));
    let longest = match ip.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix
        .is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u8>().is_ok_and(|p| p <= longest))
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
