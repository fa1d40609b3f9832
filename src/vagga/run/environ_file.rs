//! `environ-file`: lines `NAME=VALUE` with the quoting of `/etc/environment`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::environ::Variables;

/// Parses the file. Blank lines and lines starting with `#` are skipped, `export ` before a name is allowed.
///
/// A value that begins with `"` loses all double quotes at both ends and its backslash escapes of `"`, `\`, `$`
/// and the backtick; one in single quotes loses these. Everything else is taken as it is.
///
/// Errors: the line number (from 1) and what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Variables, (usize, &'static str)> {
    let mut out = Variables::new();
    for (n, line) in text.split(|&c| c == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
        let Some(at) = line.iter().position(|&c| c == b'=') else {
            return Err((n + 1, "no `=` in the line"));
        };
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        if name.is_empty() {
            return Err((n + 1, "no name before `=`"));
        }
        if line.contains(&0) {
            return Err((n + 1, "a NUL byte in the line"));
        }
        out.insert(
            OsString::from_vec(name.to_vec()),
            OsString::from_vec(unquote(value)),
        );
    }
    Ok(out)
}

fn unquote(value: &[u8]) -> Vec<u8> {
    match value.first() {
        Some(b'"') => unescape(trim(value, b'"')),
        Some(b'\'') => {
            let inner = value.strip_prefix(b"'").unwrap_or(value);
            inner.strip_suffix(b"'").unwrap_or(inner).to_vec()
        }
        _ => value.to_vec(),
    }
}

/// Without the leading and the trailing run of `quote`; an escaped quote at the end stays.
fn trim(mut value: &[u8], quote: u8) -> &[u8] {
    while let Some((&first, rest)) = value.split_first() {
        if first != quote {
            break;
        }
        value = rest;
    }
    while let Some((&last, rest)) = value.split_last() {
        let escaped = rest.iter().rev().take_while(|&&c| c == b'\\').count() % 2 == 1;
        if last != quote || escaped {
            break;
        }
        value = rest;
    }
    value
}

fn unescape(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.iter().copied().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            (b'\\', Some(b'"' | b'\\' | b'$' | b'`')) => out.extend(rest.next()),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn value(line: &str) -> String {
        let all = parse(line.as_bytes()).unwrap();
        assert_eq!(all.len(), 1, "{line}");
        all.into_values().next().unwrap().into_string().unwrap()
    }

    #[test]
    fn values_lose_their_quotes() {
        assert_eq!(value("A=b"), "b");
        assert_eq!(value("A=x=y"), "x=y");
        assert_eq!(value("A="), "");
        assert_eq!(value("B=\"two words\""), "two words");
        assert_eq!(value("B=\"\"\"two\"\""), "two");
        assert_eq!(value("B='it \"is\"'"), "it \"is\"");
        assert_eq!(value(r#"B="say \"hi\" \\ \$x \n""#), r#"say "hi" \ $x \n"#);
        assert_eq!(value("B=b\"c\""), "b\"c\"");
        assert_eq!(value("  export P=/bin\r"), "/bin");
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let all = parse(b"\n# A=1\n  \nSHELL=/bin/sh\n").unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[OsStr::new("SHELL")], "/bin/sh");
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(parse(b"A=1\ntext\n").unwrap_err().0, 2);
        assert_eq!(parse(b"=1").unwrap_err().0, 1);
        assert_eq!(parse(b"A=\0").unwrap_err().0, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }
    }
}
