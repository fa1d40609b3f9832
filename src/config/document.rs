//! One configuration file with everything it includes, parsed by quire into a tree.

use std::cell::{Cell, RefCell};
use std::path::{Component, Path, PathBuf};

use quire::ast::{self, Ast};
use quire::{ErrorCollector, Include, Options, Pos};
use serde::de::DeserializeOwned;

use super::check::Checker;
use super::guard::{self, Body};
use super::json_view::json_view;
use super::mark::mark;
use super::problem::{Problem, Problems, Stage};
use super::schema::Kind;
use super::source::{Place, Source, Sources};
use super::tree;
use super::value::Value;

/// Most files that one document may include, counting repetitions.
const MAX_INCLUDES: usize = 500;
/// Most nodes of all files of one document together, aliases expanded.
const MAX_NODES: usize = 1_000_000;
/// Most levels of all files on a chain of includes together.
const MAX_DEPTH: usize = 200;

/// A parsed document, not yet compared with a table of keys.
#[derive(Debug)]
pub struct Document {
    tree: Option<Ast>,
    problems: Problems,
}

impl Document {
    /// Reads a file and everything that it includes.
    pub fn read(path: &Path) -> Document {
        let reader = Reader::default();
        let tree = reader.read_file(path, None, 0);
        reader.finish(tree)
    }

    /// Parses a text; includes are refused. `name` stands for the file in messages.
    pub fn parse(name: &str, text: &str) -> Document {
        Document::parse_bytes(name, text.as_bytes())
    }

    /// The same for bytes that may not be text at all.
    pub fn parse_bytes(name: &str, bytes: &[u8]) -> Document {
        let reader = Reader::default();
        let tree = reader.read_text(name.to_string(), None, bytes, 0);
        reader.finish(tree)
    }

    /// A scalar of the top level: its text and place. `name` is spelt with underscores.
    pub fn scalar(&self, name: &str) -> Option<(String, Place)> {
        let Some(Ast::Map(_, _, map)) = &self.tree else {
            return None;
        };
        match map.get(name).or_else(|| map.get(&name.replace('_', "-")))? {
            Ast::Scalar(pos, _, _, text) => {
                let sources = &self.problems.sources;
                Some((sources.scalars.resolve_text(text.clone()), sources.place(pos)))
            }
            _ => None,
        }
    }

    /// A top-level value by itself, if it is there and fits.
    pub fn part(&self, name: &str, kind: &Kind) -> Option<Value> {
        let Some(Ast::Map(_, _, map)) = &self.tree else {
            return None;
        };
        self.sound(map.get(name)?, kind)
    }

    /// The entries of a top-level mapping, each by itself; nothing for those that do not fit.
    pub fn parts(&self, name: &str, kind: &Kind) -> Vec<(String, Option<Value>)> {
        let section = match &self.tree {
            Some(Ast::Map(_, _, map)) => map.get(name),
            _ => None,
        };
        let Some(Ast::Map(_, _, entries)) = section else {
            return Vec::new();
        };
        let scalars = &self.problems.sources.scalars;
        let entry =
            |(name, ast): (&String, &Ast)| (scalars.resolve_text(name.clone()), self.sound(ast, kind));
        entries.iter().map(entry).collect()
    }

    fn sound(&self, ast: &Ast, kind: &Kind) -> Option<Value> {
        let mut checker = Checker::new(&self.problems.sources);
        let value = checker.check(tree::copy(ast), kind);
        checker.finish().is_empty().then_some(value)
    }

    /// The place of a value by the keys that lead to it (dashes and underscores alike, elements by number), or of the
    /// innermost value on the way that is there.
    pub fn place_of(&self, path: &[String]) -> Option<Place> {
        let sources = &self.problems.sources;
        let mut here = self.tree.as_ref()?;
        let mut place = sources.place(&here.pos());
        for step in path {
            let next = match here {
                Ast::Map(_, _, map) => map
                    .iter()
                    .find(|(key, _)| same_key(&sources.scalars.resolve_text((*key).clone()), step)),
                Ast::Seq(_, _, items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|n| items.get(n))
                    .map(|item| (step, item)),
                _ => None,
            };
            let Some((key, value)) = next else {
                break;
            };
            let at = sources.place(&value.pos());
            place = match (here, value) {
                // Of what has further lines the key says more than the first of them.
                (Ast::Map(..), Ast::Map(..) | Ast::Seq(..) | Ast::Null(..)) => {
                    sources.key_place(key, place, at)
                }
                _ => at,
            };
            here = value;
        }
        Some(sources.settle(place))
    }

    /// The document as JSON, without its tags; null when it could not be parsed.
    pub fn json_view(&self) -> serde_json::Value {
        let view = |ast| json_view(tree::copy(ast), &self.problems.sources.scalars);
        self.tree.as_ref().map_or(serde_json::Value::Null, view)
    }

    /// A number that tells this document from others by what it says, without these keys of its top level (spelt with
    /// dashes); see [`mod@super::mark`].
    pub fn mark(&self, without: &[&str]) -> u64 {
        let of_tree = |ast| mark(ast, &self.problems.sources.scalars, without);
        self.tree.as_ref().map_or(0, of_tree)
    }

    /// True when the text itself is sound, so that the document can be compared with a table.
    pub fn is_parsed(&self) -> bool {
        self.problems.list.is_empty()
    }

    /// The texts that were read.
    pub fn sources(&self) -> &Sources {
        &self.problems.sources
    }

    /// Adds a problem that the tool found by itself.
    pub fn add_problem(&mut self, problem: Problem) {
        self.problems.list.push(problem);
    }

    /// Compares the document with a table. The value has the keys of the table, with underscores and defaults,
    /// except for those that are not set.
    ///
    /// Errors: all problems. The table is consulted only if the text is sound.
    pub fn check(self, kind: &Kind) -> Result<Value, Problems> {
        self.check_sources(kind).map(|(value, _)| value)
    }

    fn check_sources(self, kind: &Kind) -> Result<(Value, Sources), Problems> {
        let Document { tree, mut problems } = self;
        let stopped = problems.list.iter().any(|p| p.stage != Stage::Version);
        let mut value = Value::Null;
        if let (Some(tree), false) = (tree, stopped) {
            let mut checker = Checker::new(&problems.sources);
            value = checker.check(tree, kind);
            let found = checker.finish();
            problems.list.extend(found);
        }
        if problems.list.is_empty() {
            return Ok((value, problems.sources));
        }
        problems.sort();
        Err(problems)
    }

    /// Checks the document and decodes it into the tool's own type.
    pub fn decode<T: DeserializeOwned>(self, kind: &Kind) -> Result<T, Problems> {
        let (value, sources) = self.check_sources(kind)?;
        value.decode().map_err(|e| {
            // The table lets something through that the type cannot hold: a bug, but not a reason to abort.
            let place = Place {
                source: 0,
                line: 1,
                column: 1,
            };
            let list = vec![Problem::new(Stage::Decode(".".into()), place, e.to_string())];
            Problems { sources, list }
        })
    }
}

/// State shared by a file and its includes.
#[derive(Default)]
struct Reader {
    sources: RefCell<Sources>,
    problems: RefCell<Vec<Problem>>,
    /// Files being read, outermost first.
    open: RefCell<Vec<PathBuf>>,
    includes: Cell<usize>,
    nodes: Cell<usize>,
}

impl Reader {
    fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn place(&self, pos: &Pos) -> Place {
        self.sources.borrow().place(pos)
    }

    fn finish(self, tree: Option<Ast>) -> Document {
        let problems = Problems {
            sources: self.sources.into_inner(),
            list: self.problems.into_inner(),
        };
        Document { tree, problems }
    }

    /// Reads and parses a file. `from` is the directive that included it, `depth` the depth already used up.
    fn read_file(&self, path: &Path, from: Option<Place>, depth: usize) -> Option<Ast> {
        let bytes = match read_limited(path) {
            Ok(bytes) => bytes,
            Err(reason) => {
                let place = from.unwrap_or(Place {
                    source: 0,
                    line: 1,
                    column: 1,
                });
                let mut problem = Problem::unreadable(path.display().to_string(), place, reason);
                problem.excerpt = from.is_some();
                self.report(problem);
                return None;
            }
        };
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.open.borrow_mut().push(path.to_path_buf());
        let tree = self.read_text(path.display().to_string(), Some(base), &bytes, depth);
        self.open.borrow_mut().pop();
        tree
    }

    fn read_text(&self, name: String, base: Option<PathBuf>, bytes: &[u8], depth: usize) -> Option<Ast> {
        let mut sources = self.sources.borrow_mut();
        let next = sources.len();
        let guarded = guard::guard(bytes, next, &mut sources.scalars);
        let index = sources.add(Source {
            name,
            base,
            text: guarded.original,
            shifts: guarded.shifts,
        });
        drop(sources);
        let at = |(line, column)| Place {
            source: index,
            line,
            column,
        };
        if let Some(refusal) = guarded.refusal {
            let problem = Problem::new(refusal.stage, at((refusal.line, refusal.column)), refusal.text);
            self.report(problem);
            return None;
        }
        let nodes = self.nodes.get().saturating_add(guarded.nodes);
        self.nodes.set(nodes);
        let depth = depth + guarded.depth;
        if nodes > MAX_NODES || depth > MAX_DEPTH {
            let text = "the file and its includes are too large or too deep together";
            self.report(Problem::new(Stage::Preprocess, at((1, 1)), text));
            return None;
        }
        match guarded.body {
            Body::Tree(tree) => Some(tree),
            Body::Text(text) => self.parse(index, &text, depth),
        }
    }

    fn parse(&self, index: usize, text: &str, depth: usize) -> Option<Ast> {
        let errors = ErrorCollector::new();
        let mut options = Options::default();
        options.allow_include(|pos: &Pos, what: &Include, _: &ErrorCollector, _: &Options| {
            self.include(pos, what, depth).unwrap_or_else(|| Ast::void(pos))
        });
        let parsed = quire::raw_parse(Sources::key(index), text, |doc| {
            ast::process(&options, doc, &errors)
        });
        if let Err(list) = errors.into_result(()) {
            for error in list.errors() {
                self.report_quire(&error.to_string());
            }
        }
        match parsed {
            Ok(tree) => Some(tree),
            Err(error) => {
                self.report_quire(&error.to_string());
                None
            }
        }
    }

    /// Takes a message of quire apart: `INDEX:LINE:COLUMN: KIND Error: TEXT`.
    fn report_quire(&self, message: &str) {
        let mut parts = message.splitn(4, ':');
        let mut number = || parts.next().and_then(|p| p.trim().parse::<usize>().ok());
        let numbers = (number(), number(), number());
        let rest = parts.next().unwrap_or(message).trim();
        let place = match numbers {
            (Some(source), Some(line), Some(column)) => self.sources.borrow().place_at(source, line, column),
            _ => Place {
                source: 0,
                line: 1,
                column: 1,
            },
        };
        let stages = [
            ("Tokenizer Error: ", Stage::Tokenizer),
            ("Parse Error: ", Stage::Parse),
            ("Preprocess Error: ", Stage::Preprocess),
        ];
        let known = stages
            .into_iter()
            .find_map(|(prefix, stage)| Some((stage, rest.strip_prefix(prefix)?)));
        let (stage, text) = known.unwrap_or((Stage::Parse, rest));
        self.report(Problem::new(stage, place, text));
    }

    fn include(&self, pos: &Pos, what: &Include, depth: usize) -> Option<Ast> {
        let place = self.place(pos);
        let refuse = |text: String| {
            self.report(Problem::new(Stage::Preprocess, place, text));
            None
        };
        let name = match what {
            Include::File { filename } => self.sources.borrow().scalars.resolve_text(filename.to_string()),
            Include::Sequence { .. } => return refuse("!*IncludeSeq aren't supported yet".into()),
            Include::Mapping { .. } => return refuse("!*IncludeMap aren't supported yet".into()),
            _ => return refuse("this kind of include isn't supported".into()),
        };
        let base = self
            .sources
            .borrow()
            .get(place.source)
            .and_then(|s| s.base.clone());
        let Some(base) = base else {
            return refuse("Includes are not supported here".into());
        };
        let Some(relative) = plain_relative(Path::new(&name)) else {
            return refuse(format!(
                "Only relative paths without parent directories can be included, not {name:?}"
            ));
        };
        let path = base.join(relative);
        if self.open.borrow().contains(&path) {
            return refuse(format!("{name:?} includes itself"));
        }
        self.includes.set(self.includes.get() + 1);
        if self.includes.get() > MAX_INCLUDES {
            return refuse(format!("more than {MAX_INCLUDES} includes"));
        }
        self.read_file(&path, Some(place), depth)
    }
}

/// Keys of structures may be written with dashes or underscores.
fn same_key(written: &str, wanted: &str) -> bool {
    written == wanted || written.replace('-', "_") == wanted.replace('-', "_")
}

/// A relative path without `..` with every `.` dropped, or nothing. Also the rule for mixins.
pub fn plain_relative(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!plain.as_os_str().is_empty()).then_some(plain)
}

/// The bytes of a regular file of at most [`guard::MAX_SIZE`], one more if it is longer.
pub fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    // Without blocking, in case that it is a pipe.
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    // Room for all of it and for noticing the end: two reads.
    let mut bytes = Vec::with_capacity(metadata.len().min(guard::MAX_SIZE as u64) as usize + 64);
    file.take(guard::MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
