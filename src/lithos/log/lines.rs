//! From the bytes of a process to the lines of an output log. Pure: no clock, no file.
//!
//! A line is as long as it is up to [`LONGEST`]; what is longer comes in parts, so that memory is bounded whatever a process writes.

use serde_derive::Serialize;

use crate::lithos::config::sandbox::OutputFormat;

/// Longest part of a line, bytes.
pub const LONGEST: usize = 8192;

/// The form of the lines of one container.
#[derive(Debug, Clone)]
pub struct Form {
    /// As configured.
    pub format: OutputFormat,
    /// `SB/PROC.N`.
    pub name: String,
}

#[derive(Serialize)]
struct Object<'a> {
    time: &'a str,
    name: &'a str,
    stream: &'a str,
    text: &'a str,
    /// The line goes on in the next object.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    time: &'a str,
    name: &'a str,
    event: &'a str,
}

impl Form {
    /// One line of the log, with its end. `bytes` without one.
    pub fn line(&self, time: &str, stream: &str, bytes: &[u8], partial: bool) -> Vec<u8> {
        match self.format {
            OutputFormat::Plain => [bytes, b"\n"].concat(),
            OutputFormat::Prefix => {
                let stream = if stream == "stderr" { " stderr" } else { "" };
                let head = format!("{time} {}{stream}: ", self.name);
                [head.as_bytes(), bytes, b"\n"].concat()
            }
            OutputFormat::Json => object(&Object {
                time,
                name: &self.name,
                stream,
                text: &String::from_utf8_lossy(bytes),
                partial,
            }),
        }
    }

    /// What lithos itself has to say among the output.
    pub fn marker(&self, time: &str, text: &str) -> Vec<u8> {
        match self.format {
            OutputFormat::Plain | OutputFormat::Prefix => {
                format!("{time}: ----- {text} -----\n").into_bytes()
            }
            OutputFormat::Json => object(&Event {
                time,
                name: &self.name,
                event: text,
            }),
        }
    }
}

fn object(value: &impl serde::Serialize) -> Vec<u8> {
    // Texts always have a JSON form.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// One stream of a process, cut into lines.
#[derive(Debug)]
pub struct Lines {
    stream: &'static str,
    rest: Vec<u8>,
}

impl Lines {
    /// `stdout` or `stderr`.
    pub fn new(stream: &'static str) -> Lines {
        Lines {
            stream,
            rest: Vec::new(),
        }
    }

    /// Adds what the process wrote; returns the lines that are complete now, in the given form.
    pub fn take(&mut self, bytes: &[u8], form: &Form, time: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, complete) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            self.add(text, form, time, &mut out);
            if complete {
                out.extend(form.line(time, self.stream, &self.rest, false));
                self.rest.clear();
            }
        }
        out
    }

    fn add(&mut self, mut text: &[u8], form: &Form, time: &str, out: &mut Vec<u8>) {
        while self.rest.len() + text.len() > LONGEST {
            let (now, later) = text.split_at(LONGEST - self.rest.len());
            self.rest.extend_from_slice(now);
            out.extend(form.line(time, self.stream, &self.rest, true));
            self.rest.clear();
            text = later;
        }
        self.rest.extend_from_slice(text);
    }

    /// The last line, should it have no end.
    pub fn end(&mut self, form: &Form, time: &str) -> Vec<u8> {
        match std::mem::take(&mut self.rest) {
            rest if rest.is_empty() => Vec::new(),
            rest => form.line(time, self.stream, &rest, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(format: OutputFormat) -> Form {
        Form {
            format,
            name: "app/web.0".into(),
        }
    }

    #[test]
    fn lines_come_when_they_are_complete() {
        let form = form(OutputFormat::Prefix);
        let mut lines = Lines::new("stdout");
        assert_eq!(lines.take(b"one", &form, "T"), b"");
        assert_eq!(
            lines.take(b" and\ntwo\n\nthr", &form, "T"),
            b"T app/web.0: one and\nT app/web.0: two\nT app/web.0: \n"
        );
        assert_eq!(lines.end(&form, "T"), b"T app/web.0: thr\n");
        assert_eq!(lines.end(&form, "T"), b"");
        assert_eq!(
            Lines::new("stderr").take(b"x\n", &form, "T"),
            b"T app/web.0 stderr: x\n"
        );
    }

    #[test]
    fn json_holds_whatever_comes() {
        let form = form(OutputFormat::Json);
        let line = Lines::new("stderr").take(b"a\"\xff\x1b[0m\r\n", &form, "T");
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["text"], "a\"\u{fffd}\u{1b}[0m\r");
        assert_eq!(
            (&value["stream"], &value["name"], &value["time"]),
            (&"stderr".into(), &"app/web.0".into(), &"T".into())
        );
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(
            form.marker("T", "x"),
            b"{\"time\":\"T\",\"name\":\"app/web.0\",\"event\":\"x\"}\n"
        );
    }

    #[test]
    fn what_is_too_long_comes_in_parts() {
        let form = form(OutputFormat::Json);
        let mut lines = Lines::new("stdout");
        let long = vec![b'x'; 2 * LONGEST + 5];
        let out = lines.take(&long, &form, "T");
        let parts: Vec<serde_json::Value> = out
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        assert_eq!(parts.len(), 2);
        assert!(parts
            .iter()
            .all(|part| part["partial"] == true && part["text"].as_str().unwrap().len() == LONGEST));
        assert!(lines.rest.len() <= LONGEST);
        let last: serde_json::Value = serde_json::from_slice(&lines.take(b"\n", &form, "T")).unwrap();
        assert_eq!(
            (last["text"].as_str(), last.get("partial")),
            (Some("xxxxx"), None)
        );
    }
}
