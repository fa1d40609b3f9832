//! Usage lines as trees.

use super::describe;
use super::element::{Element, Elements, Kind};
use super::lexer::{self, Token};

/// Deepest accepted nesting of brackets.
const MAX_DEPTH: usize = 40;

/// What a usage line demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// One element.
    Element(usize),
    /// `[options]`: any described option that the line does not mention itself.
    Options,
    /// All, in this order (options anywhere).
    Sequence(Vec<Pattern>),
    /// Each of these or not.
    Optional(Vec<Pattern>),
    /// One of these.
    Alternatives(Vec<Pattern>),
    /// Once or more often.
    Repeat(Box<Pattern>),
}

impl Pattern {
    /// Calls `f` for every element mentioned in the tree.
    pub fn each_element(&self, f: &mut dyn FnMut(usize)) {
        match self {
            Pattern::Element(id) => f(*id),
            Pattern::Options => {}
            Pattern::Sequence(list) | Pattern::Optional(list) | Pattern::Alternatives(list) => {
                list.iter().for_each(|p| p.each_element(f));
            }
            Pattern::Repeat(inner) => inner.each_element(f),
        }
    }
}

/// Splits the usage section into patterns without the program's name. A line that does not begin with the program's
/// name continues the one before.
pub(super) fn usage_lines(usage: &str) -> Result<Vec<String>, String> {
    let program = usage.split_whitespace().next().ok_or("there is no usage line")?;
    let mut lines: Vec<String> = Vec::new();
    for line in usage.lines().map(str::trim) {
        match (strip_program(line, program), lines.last_mut()) {
            (Some(rest), _) => lines.push(rest.to_string()),
            (None, Some(last)) => {
                last.push(' ');
                last.push_str(line);
            }
            (None, None) => {}
        }
    }
    Ok(lines)
}

fn strip_program<'a>(line: &'a str, program: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(program)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest)
}

/// Reads one usage line; options it mentions without description are added to the elements.
pub(super) fn parse(line: &str, elements: &mut Elements) -> Result<Pattern, String> {
    let tokens = lexer::tokens(line)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        elements,
    };
    let pattern = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(pattern),
        Some(_) => Err(format!(
            "closing bracket without opening one in {:?}",
            line.trim()
        )),
    }
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    elements: &'a mut Elements,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Sequences separated by bars, up to a closing bracket or the end.
    fn alternatives(&mut self, depth: usize) -> Result<Pattern, String> {
        if depth > MAX_DEPTH {
            return Err(format!("brackets are nested more than {MAX_DEPTH} deep"));
        }
        let mut list = vec![self.sequence(depth)?];
        while self.peek() == Some(Token::Bar) {
            self.at += 1;
            list.push(self.sequence(depth)?);
        }
        Ok(match list.pop() {
            Some(only) if list.is_empty() => only,
            Some(last) => {
                list.push(last);
                Pattern::Alternatives(list)
            }
            None => Pattern::Sequence(Vec::new()),
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Pattern, String> {
        let mut list = Vec::new();
        loop {
            let item = match self.peek() {
                None | Some(Token::Close | Token::CloseGroup | Token::Bar) => {
                    return Ok(Pattern::Sequence(list));
                }
                Some(Token::Dots) => return Err("`...` must follow something".to_string()),
                Some(Token::Open) => {
                    self.at += 1;
                    self.optional(depth)?
                }
                Some(Token::OpenGroup) => {
                    self.at += 1;
                    let group = self.alternatives(depth + 1)?;
                    self.expect(Token::CloseGroup, ")")?;
                    group
                }
                Some(Token::Word(word)) => {
                    self.at += 1;
                    self.word(word)?
                }
            };
            list.push(self.repeated(item));
        }
    }

    /// After `[`.
    fn optional(&mut self, depth: usize) -> Result<Pattern, String> {
        if let [Token::Word("options"), Token::Close, ..] = self.tokens.get(self.at..).unwrap_or_default() {
            self.at += 2;
            return Ok(Pattern::Options);
        }
        let inner = self.alternatives(depth + 1)?;
        self.expect(Token::Close, "]")?;
        Ok(match inner {
            Pattern::Sequence(list) => Pattern::Optional(list),
            other => Pattern::Optional(vec![other]),
        })
    }

    fn expect(&mut self, token: Token<'_>, shown: &str) -> Result<(), String> {
        if self.next() == Some(token) {
            return Ok(());
        }
        Err(format!("`{shown}` is missing"))
    }

    fn repeated(&mut self, item: Pattern) -> Pattern {
        let mut item = item;
        while self.peek() == Some(Token::Dots) {
            self.at += 1;
            if !matches!(item, Pattern::Repeat(_)) {
                item = Pattern::Repeat(Box::new(item));
            }
        }
        item
    }

    fn word(&mut self, word: &str) -> Result<Pattern, String> {
        if let Some(rest) = word.strip_prefix("--").filter(|r| !r.is_empty()) {
            return self.long(rest);
        }
        if let Some(rest) = word.strip_prefix('-').filter(|r| !r.is_empty() && *r != "-") {
            return self.stack(rest);
        }
        if word.contains(['<', '>']) && lexer::positional(word).is_none() {
            return Err(format!("{word:?} is not understood"));
        }
        let kind = match lexer::positional(word) {
            Some(name) => Kind::Positional(name.to_string()),
            None => Kind::Word(word.to_string()),
        };
        Ok(Pattern::Element(self.elements.intern(kind)))
    }

    /// `--name`, `--name=<x>`, or `--name <x>` when the description says that a value follows.
    fn long(&mut self, rest: &str) -> Result<Pattern, String> {
        let (name, value) = describe::split_value(rest);
        if name.is_empty() {
            return Err(format!("\"--{rest}\" is not an option"));
        }
        let id = match self.elements.find_long(name) {
            Some(id) => id,
            None => self
                .elements
                .add(Element::option(None, Some(name.to_string()), value.is_some())),
        };
        if value.is_some() && !self.elements.takes_value(id) {
            return Err(format!("\"--{name}\" is described without a value"));
        }
        if value.is_none() && self.elements.takes_value(id) {
            self.value_follows(&format!("--{name}"))?;
        }
        Ok(Pattern::Element(id))
    }

    /// `-abc`, `-a<x>`, `-aX` and `-a X` when a value is described.
    fn stack(&mut self, letters: &str) -> Result<Pattern, String> {
        let mut list = Vec::new();
        for (at, letter) in letters.char_indices() {
            describe::check_letter(letter)?;
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let inline = rest.strip_prefix('=').unwrap_or(rest);
            let angle = lexer::positional(inline).is_some() && (rest != inline || inline.starts_with('<'));
            let id = match self.elements.find_short(letter) {
                Some(id) => id,
                None => self.elements.add(Element::option(Some(letter), None, angle)),
            };
            list.push(Pattern::Element(id));
            if self.elements.takes_value(id) {
                if rest.is_empty() {
                    self.value_follows(&format!("-{letter}"))?;
                }
                break;
            }
            if angle {
                return Err(format!("\"-{letter}\" is described without a value"));
            }
        }
        Ok(match list.pop() {
            Some(only) if list.is_empty() => only,
            Some(last) => {
                list.push(last);
                Pattern::Sequence(list)
            }
            None => Pattern::Sequence(list),
        })
    }

    fn value_follows(&mut self, option: &str) -> Result<(), String> {
        match self.peek() {
            Some(Token::Word(word)) if lexer::positional(word).is_some() => {
                self.at += 1;
                Ok(())
            }
            _ => Err(format!("the value of {option:?} is missing in the usage line")),
        }
    }
}

/// Marks every element that some usage line can take more than once.
pub(super) fn mark_repeatable(lines: &[Pattern], elements: &mut Elements) {
    let described: Vec<usize> = elements
        .options()
        .filter(|(_, e)| e.described)
        .map(|(id, _)| id)
        .collect();
    for line in lines {
        let mut mentioned = vec![false; elements.0.len()];
        line.each_element(&mut |id| {
            if let Some(slot) = mentioned.get_mut(id) {
                *slot = true;
            }
        });
        let shortcut: Vec<usize> = described
            .iter()
            .copied()
            .filter(|id| mentioned.get(*id) == Some(&false))
            .collect();
        let mut counts = vec![0; elements.0.len()];
        count(line, &shortcut, 1, &mut counts);
        for (element, n) in elements.0.iter_mut().zip(counts) {
            element.repeatable |= n > 1;
        }
    }
}

/// Adds how often the pattern can take each element, up to 2. Alternatives are counted apart.
fn count(pattern: &Pattern, shortcut: &[usize], times: u8, counts: &mut [u8]) {
    let mut bump = |id: usize| {
        if let Some(n) = counts.get_mut(id) {
            *n = n.saturating_add(times).min(2);
        }
    };
    match pattern {
        Pattern::Element(id) => bump(*id),
        Pattern::Options => shortcut.iter().for_each(|id| bump(*id)),
        Pattern::Sequence(list) | Pattern::Optional(list) => {
            list.iter().for_each(|p| count(p, shortcut, times, counts));
        }
        Pattern::Alternatives(list) => {
            let before = counts.to_vec();
            for branch in list {
                let mut own = before.clone();
                count(branch, shortcut, times, &mut own);
                for (n, o) in counts.iter_mut().zip(own) {
                    *n = (*n).max(o);
                }
            }
        }
        Pattern::Repeat(inner) => count(inner, shortcut, 2, counts),
    }
}
