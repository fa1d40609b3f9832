//! The host's apt configuration: the proxy it names for archives (apt.conf(5), apt-transport-http(1)).
//!
//! Only read, never executed: `Proxy-Auto-Detect` and the like have no effect here.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::vagga::fetch::Fallback;

/// Largest file read, in bytes.
const MAX: u64 = 1 << 20;

/// What the host's apt uses to reach archives, from `apt.conf.d` and `apt.conf` below `etc` (normally `/etc/apt`).
/// Files that cannot be read are skipped: they only serve to find a default.
pub fn proxies(etc: &Path) -> Fallback {
    let mut settings = Vec::new();
    for file in files(etc) {
        let mut text = String::new();
        let open = fs::File::open(&file);
        if open.and_then(|f| f.take(MAX).read_to_string(&mut text)).is_ok() {
            settings.extend(parse(&text));
        }
    }
    chosen(&settings)
}

/// In the order of apt: the parts by name, then the file that wins.
fn files(etc: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(etc.join("apt.conf.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_none_or(|e| e == "conf"))
        .collect();
    files.sort();
    files.push(etc.join("apt.conf"));
    files
}

/// The last value of a name counts; https goes the way of http unless it has one of its own.
fn chosen(settings: &[(String, String)]) -> Fallback {
    let is_direct = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("direct");
    let last = |wanted: &str| {
        let mut found = settings.iter().rev();
        found.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    let address = |setting: Option<&(String, String)>| {
        let (_, value) = setting.filter(|(_, value)| !is_direct(value))?;
        usable(value)
    };
    let http = last("Acquire::http::Proxy");
    let direct_host = |(name, value): &(String, String)| {
        let name = name.to_ascii_lowercase();
        let rest = name.strip_prefix("acquire::http")?;
        let host = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("::proxy::")?;
        is_direct(value).then(|| host.to_string())
    };
    Fallback {
        http: address(http),
        https: address(last("Acquire::https::Proxy").or(http)),
        direct: settings.iter().filter_map(direct_host).collect(),
    }
}

/// An address that can be written into a configuration again.
fn usable(value: &str) -> Option<String> {
    let plain = value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    plain.then(|| value.to_string())
}

/// Names (`A::B::C`) and values, in their order. What is no setting (comments, directives) is left out.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut scopes: Vec<String> = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    for token in (Tokens { rest: text }) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open => {
                scopes.push(words.first().copied().unwrap_or_default().to_string());
                words.clear();
            }
            Token::Close => {
                scopes.pop();
                words.clear();
            }
            Token::End => {
                if let [name, value] = words.as_slice() {
                    let mut path: Vec<&str> = scopes.iter().map(String::as_str).collect();
                    path.push(name);
                    all.push((path.join("::"), value.to_string()));
                }
                words.clear();
            }
        }
    }
    all
}

enum Token<'a> {
    /// A name or a value, without its quotes.
    Word(&'a str),
    Open,
    Close,
    End,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (token, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        token
    }

    /// Skips to what follows `end`.
    fn skip_past(&mut self, end: &str) {
        self.rest = self.rest.split_once(end).map_or("", |(_, after)| after);
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.as_bytes() {
                [] => return None,
                [b'#', ..] | [b'/', b'/', ..] => self.skip_past("\n"),
                [b'/', b'*', ..] => self.skip_past("*/"),
                _ => break,
            }
        }
        let special = match self.rest.as_bytes().first() {
            Some(b'{') => Some(Token::Open),
            Some(b'}') => Some(Token::Close),
            Some(b';') => Some(Token::End),
            _ => None,
        };
        if let Some(token) = special {
            self.take(1);
            return Some(token);
        }
        if self.rest.starts_with('"') {
            self.take(1);
            let value = self.take(self.rest.find('"').unwrap_or(self.rest.len()));
            self.take(1);
            return Some(Token::Word(value));
        }
        let ends = |c: char| c.is_whitespace() || "\"{};".contains(c);
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        Some(Token::Word(self.take(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Fallback {
        chosen(&parse(text))
    }

    #[test]
    fn both_ways_of_writing() {
        let flat = read("Acquire::http::Proxy \"http://p:3142\"; // c\n");
        assert_eq!(flat.http.as_deref(), Some("http://p:3142"));
        assert_eq!(flat.https, flat.http);
        let nested = read(
            "/* a { */ # b\nAPT { x { }; };\nAcquire\n{\n HTTP { Proxy \"http://p/\"; Proxy::Local.Example \"DIRECT\"; };\n \
             https::proxy \"http://q:1\";\n};\nAcquire::ftp::Proxy \"ftp://z\";",
        );
        assert_eq!(nested.http.as_deref(), Some("http://p/"));
        assert_eq!(nested.https.as_deref(), Some("http://q:1"));
        assert_eq!(nested.direct, ["local.example"]);
    }

    #[test]
    fn later_lines_win_and_direct_is_none() {
        assert_eq!(
            read("Acquire::http::Proxy \"http://p\"; Acquire::http::Proxy \"false\"; Acquire::http::Proxy \"DIRECT\";")
                .http,
            None
        );
        assert_eq!(read("Acquire::http::Proxy \"a\nb\";").http, None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-zé:/*#\"{}; \n]{0,120}") {
            let _ = read(&text);
        }
    }
}
