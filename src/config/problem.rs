//! What is wrong with a configuration: one or more lines for the user, in a fixed order.

use std::fmt;

use super::source::{Place, Sources};

/// The stage that found a problem; its name is part of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The file could not be read.
    Reading,
    /// Bad characters or quoting.
    Tokenizer,
    /// Bad YAML.
    Parse,
    /// Includes, merges, unpacking.
    Preprocess,
    /// The file demands a newer version of the tool.
    Version,
    /// The table of keys is violated.
    Validation,
    /// The parts of the configuration do not fit each other.
    Finding {
        /// Otherwise a warning.
        error: bool,
    },
    /// A value cannot be converted; the path of the value, like `.commands.test.run`.
    Decode(String),
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Who found it.
    pub stage: Stage,
    /// Where; for [`Stage::Reading`] only the source counts.
    pub place: Place,
    /// What is wrong, one line.
    pub text: String,
    /// Show the source line and a caret below the message.
    pub excerpt: bool,
    /// What precisely was read, when the name of the source does not tell (a missing file).
    pub subject: Option<String>,
}

impl Problem {
    /// A problem at a place of a source.
    pub fn new(stage: Stage, place: Place, text: impl Into<String>) -> Problem {
        Problem {
            stage,
            place,
            text: text.into(),
            excerpt: true,
            subject: None,
        }
    }

    /// A file that cannot be read.
    pub fn unreadable(name: impl Into<String>, place: Place, reason: impl fmt::Display) -> Problem {
        Problem {
            stage: Stage::Reading,
            place,
            text: format!("Error reading file: {reason}"),
            excerpt: false,
            subject: Some(name.into()),
        }
    }

    /// Order of printing: what stopped the reading, then the version, then the table of keys.
    fn rank(&self) -> u8 {
        match self.stage {
            Stage::Version => 0,
            Stage::Reading | Stage::Tokenizer | Stage::Parse | Stage::Preprocess => 1,
            Stage::Validation | Stage::Decode(_) | Stage::Finding { .. } => 2,
        }
    }
}

/// All problems of one load together with the texts they refer to.
///
/// Displays one problem after the other: `FILE:LINE:COLUMN: KIND: TEXT`, the source line and a caret line. The
/// demand of a newer version has no excerpt, so that the next line is the next problem. A missing key has a
/// second line with the path of the structure in place of the excerpt.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// The texts.
    pub sources: Sources,
    /// What is wrong with them.
    pub list: Vec<Problem>,
}

impl Problems {
    /// Puts the problems into the order of printing and drops repetitions (an alias shows its node twice).
    pub fn sort(&mut self) {
        self.list.sort_by_key(|p| (p.rank(), p.place));
        let mut seen: Vec<Problem> = Vec::with_capacity(self.list.len());
        for problem in self.list.drain(..) {
            if !seen.contains(&problem) {
                seen.push(problem);
            }
        }
        self.list = seen;
    }

    fn write_excerpt(&self, f: &mut fmt::Formatter<'_>, place: Place) -> fmt::Result {
        let Some(line) = self.sources.get(place.source).and_then(|s| s.line(place.line)) else {
            return Ok(());
        };
        if line.trim().is_empty() {
            return Ok(());
        }
        let column = place.column.saturating_sub(1);
        // Of a long line only the surroundings.
        let skip = if column < WIDTH { 0 } else { column - WIDTH / 2 };
        let visible: String = line.chars().skip(skip).take(WIDTH + WIDTH / 4).collect();
        let before = visible.chars().take(column - skip);
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "\n    {}\n    {indent}^", shown(&visible))
    }
}

/// Most characters of a source line before the caret.
const WIDTH: usize = 160;

/// The line for a terminal: no control characters.
fn shown(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let label = self.sources.label(p.place);
            match &p.stage {
                Stage::Reading => match &p.subject {
                    Some(name) => write!(f, "{name}: {}", p.text)?,
                    None => write!(f, "{label}: {}", p.text)?,
                },
                Stage::Tokenizer => write!(f, "{label}: Tokenizer Error: {}", p.text)?,
                Stage::Parse => write!(f, "{label}: Parse Error: {}", p.text)?,
                Stage::Preprocess => write!(f, "{label}: Preprocess Error: {}", p.text)?,
                Stage::Version => write!(f, "{label}: Minimum Vagga Error: {}", p.text)?,
                Stage::Validation => write!(f, "{label}: Validation Error: {}", p.text)?,
                Stage::Finding { error: true } => write!(f, "{label}: Error: {}", p.text)?,
                Stage::Finding { error: false } => write!(f, "{label}: Warning: {}", p.text)?,
                Stage::Decode(path) => write!(f, "{label}: Decode error at {path}: {}", p.text)?,
            }
            if p.excerpt {
                self.write_excerpt(f, p.place)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
