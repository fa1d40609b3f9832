//! Ordered include and exclude rules in the manner of `.gitignore`, with includes spelled positively.

use regex::Regex;

use super::Decision;

/// A list of rules; later ones win.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    include: bool,
    /// Trailing slash: matches only directories, and selects them by themselves.
    directory: bool,
    pattern: Regex,
    /// Directories on the way to what an include rule matches.
    leading: Vec<Regex>,
}

/// How a rule applies to an entry.
#[derive(Clone, Copy, PartialEq)]
enum Match {
    Exclude,
    Include { directory: bool },
    Traverse,
}

impl Rules {
    /// Parses and appends a rule.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let (include, body) = match text.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, text),
        };
        let anchored = body.starts_with('/');
        if include && !anchored {
            return Err(format!(
                "bad rule {text:?}: Relative paths are allowed only for excluding rules"
            ));
        }
        let directory = body.ends_with('/');
        let crossing = !body.contains('/');
        let body = body.trim_matches('/');
        let compile = |glob: &str, anchored: bool| {
            let start = if anchored { "^" } else { "(?:^|/)" };
            let regex = format!("(?s){start}{}$", translate(glob, crossing)?);
            Regex::new(&regex).map_err(|_| format!("bad rule {text:?}"))
        };
        let mut leading = Vec::new();
        if include {
            for (i, _) in body.match_indices('/') {
                leading.push(compile(body.get(..i).unwrap_or_default(), true)?);
            }
        }
        self.0.push(Rule {
            include,
            directory,
            pattern: compile(body, anchored)?,
            leading,
        });
        Ok(())
    }

    /// True when something can be selected at all.
    pub(super) fn has_include(&self) -> bool {
        self.0.iter().any(|rule| rule.include)
    }

    /// A rule that matches the entry itself beats one that matches a directory above it; then the later rule wins.
    pub(super) fn decide(&self, path: &str, is_dir: bool) -> Decision {
        let direct = self.0.iter().rev().find_map(|rule| rule.direct(path, is_dir));
        let applied = direct.or_else(|| self.0.iter().rev().find_map(|rule| rule.inherited(path)));
        match applied {
            None | Some(Match::Exclude) => Decision {
                select: false,
                descend: false,
            },
            Some(Match::Traverse) => Decision {
                // Whether it is taken itself is up to the rules for the directories above.
                select: self.0.iter().rev().find_map(|rule| rule.inherited(path))
                    == Some(Match::Include { directory: true }),
                descend: is_dir,
            },
            Some(Match::Include { directory }) => Decision {
                select: !is_dir || directory,
                descend: is_dir,
            },
        }
    }
}

impl Rule {
    fn direct(&self, path: &str, is_dir: bool) -> Option<Match> {
        if self.pattern.is_match(path) && (is_dir || !self.directory) {
            return Some(self.full());
        }
        (is_dir && self.leading.iter().any(|r| r.is_match(path))).then_some(Match::Traverse)
    }

    /// The rule matches a directory above the entry (the source itself counts, its path is empty).
    fn inherited(&self, path: &str) -> Option<Match> {
        let above = path.match_indices('/').map(|(i, _)| i).chain([0]);
        above
            .filter_map(|i| path.get(..i))
            .any(|dir| (!dir.is_empty() || self.include) && self.pattern.is_match(dir))
            .then(|| self.full())
    }

    fn full(&self) -> Match {
        match self.include {
            true => Match::Include {
                directory: self.directory,
            },
            false => Match::Exclude,
        }
    }
}

/// A glob for whole paths whose wildcards stop at slashes, as fnmatch(3) with `FNM_PATHNAME`.
pub fn whole_path(glob: &str) -> Result<Regex, String> {
    Regex::new(&format!("(?s)^{}$", translate(glob, false)?)).map_err(|_| format!("bad pattern {glob:?}"))
}

/// Translates a glob into the body of a regular expression. With `crossing` the wildcards match slashes too.
fn translate(glob: &str, crossing: bool) -> Result<String, String> {
    let (any, one) = if crossing { (".*", ".") } else { ("[^/]*", "[^/]") };
    let mut out = String::new();
    let mut depth = 0u32;
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                while chars.next_if_eq(&'*').is_some() {}
                let starts = out.is_empty() || out.ends_with('/');
                match starts && chars.next_if_eq(&'/').is_some() {
                    true => out.push_str("(?:.*/)?"),
                    false => out.push_str(".*"),
                }
            }
            '*' => out.push_str(any),
            '?' => out.push_str(one),
            '[' => class(&mut chars, crossing, &mut out)
                .ok_or_else(|| format!("bad rule: unclosed `[` in {glob:?}"))?,
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                out.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    match depth {
        0 => Ok(out),
        _ => Err(format!("bad rule: unclosed `{{` in {glob:?}")),
    }
}

/// `[abc]`, `[a-z]`, `[!abc]`; the opening bracket is already read. `None` = not closed.
fn class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    crossing: bool,
    out: &mut String,
) -> Option<()> {
    out.push('[');
    if chars.next_if(|c| *c == '!' || *c == '^').is_some() {
        out.push_str(if crossing { "^" } else { "^/" });
    }
    let mut first = true;
    loop {
        match chars.next()? {
            ']' if !first => break,
            '-' => out.push('-'),
            '\\' => out.push_str(&regex::escape(chars.next()?.encode_utf8(&mut [0; 4]))),
            c if "[]&~^".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        first = false;
    }
    out.push(']');
    Some(())
}
