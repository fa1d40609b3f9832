//! Addresses: what a redirect leads to, and what may stand in a request line.

/// The address that `location` means in an answer from `base` (RFC 3986 §5); `None` unless it is http or https.
pub fn join(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, rest) = base.split_once("://")?;
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, ""),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let joined = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') || location.is_empty() {
        format!("{scheme}://{authority}{path}{location}")
    } else {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        format!(
            "{scheme}://{authority}{}",
            without_dots(&format!("{dir}/{location}"))
        )
    };
    let known = ["http://", "https://"].iter().any(|scheme| {
        let start = joined.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    known.then_some(joined)
}

/// True for `word:…` where the word is a scheme.
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
    })
}

/// A path without `.` and `..` components.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.find('?') {
        Some(at) => path_and_query
            .split_at_checked(at)
            .unwrap_or((path_and_query, "")),
        None => (path_and_query, ""),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

/// `url` with characters that a request line cannot carry as `%XX`.
pub fn escape(url: &str) -> String {
    let mut escaped = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            0x21..=0x7e if !b"\"<>\\^`{|}".contains(&byte) => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        for (base, location, expected) in [
            ("http://h/a/b?c", "http://g/x", Some("http://g/x")),
            ("http://h/a/b?c", "https://g/x#f", Some("https://g/x")),
            ("https://h/a/b", "//g/x", Some("https://g/x")),
            ("http://h:80/a/b", "/x?y", Some("http://h:80/x?y")),
            ("http://h/a/b", "c", Some("http://h/a/c")),
            ("http://h/a/b", "../../../c?d=../e", Some("http://h/c?d=../e")),
            ("http://h", "c", Some("http://h/c")),
            ("http://h?q", "c", Some("http://h/c")),
            ("http://h/a?b", "?c", Some("http://h/a?c")),
            ("http://h/a", "file:///etc/passwd", None),
            ("http://h/a", "ftp://g/", None),
        ] {
            assert_eq!(join(base, location).as_deref(), expected, "{base} {location}");
        }
    }

    #[test]
    fn escaping() {
        assert_eq!(escape("http://h/a b/ä?x=%20#y"), "http://h/a%20b/%C3%A4?x=%20#y");
    }
}
