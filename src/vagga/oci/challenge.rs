//! What a registry asks for before it answers: `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3).

/// What the server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password.
    Basic,
    /// A token that `realm` hands out.
    Bearer {
        /// Address that gives tokens.
        realm: String,
        /// Name of the registry there.
        service: Option<String>,
        /// What the token is for.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the header; `None` when it asks for something else.
    pub fn parse(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        })
    }
}

/// `name=value` and `name="quoted value"`, separated by commas.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_owned();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at_checked(end).unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        found.push((name, value));
        rest = after;
    }
    found
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '"' if !escaped => return (value, text.get(at + 1..).unwrap_or_default()),
            c => value.push(c),
        }
        escaped = false;
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_with_all_parameters() {
        let header = r#"Bearer realm="https://auth.example/t?x=1,2",service="a \"b\"", scope="repository:x:pull,push""#;
        assert_eq!(
            Challenge::parse(header),
            Some(Challenge::Bearer {
                realm: "https://auth.example/t?x=1,2".into(),
                service: Some("a \"b\"".into()),
                scope: Some("repository:x:pull,push".into()),
            })
        );
    }

    #[test]
    fn others() {
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Basic"), Some(Challenge::Basic));
        for none in ["", "Negotiate abc", "Bearer", "Bearer service=x", "Bearer realm"] {
            assert_eq!(Challenge::parse(none), None, "{none}");
        }
        let open = Challenge::parse("Bearer realm=\"https://x");
        assert!(matches!(open, Some(Challenge::Bearer { realm, .. }) if realm == "https://x"));
    }
}
