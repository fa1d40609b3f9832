//! Names of scopes: `SB:PROC.N.scope` for the container `SB/PROC.N`. They are the public handle for monitoring.

use std::io;

/// Longest file name, bytes.
const NAME_MAX: usize = 255;

/// The name of a container's group. Errors: the name cannot be one component of a path.
pub fn scope_name(container: &str) -> io::Result<String> {
    let name = format!("{}.scope", container.replacen('/', ":", 1));
    let refused = container.is_empty() || name.contains(['/', '\0', '\n']) || name.len() > NAME_MAX;
    if refused || name.starts_with('.') {
        let text = format!("{container:?} cannot name a control group: use letters, digits, - and _");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(name)
}

/// The container of a group; `None` for groups of others.
pub fn container_name(scope: &str) -> Option<String> {
    let (sandbox, rest) = scope.strip_suffix(".scope")?.split_once(':')?;
    let (process, number) = rest.rsplit_once('.')?;
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (numbered && !sandbox.is_empty() && !process.is_empty()).then(|| format!("{sandbox}/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (container, scope) in [
            ("app/web.0", "app:web.0.scope"),
            ("app/cmd.migrate.4321", "app:cmd.migrate.4321.scope"),
            ("a.b/c:d.7", "a.b:c:d.7.scope"),
        ] {
            assert_eq!(scope_name(container).unwrap(), scope);
            assert_eq!(container_name(scope).as_deref(), Some(container));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for container in [
            "",
            "a/b/c.0",
            "..",
            "../x.0",
            ".hidden/x.0",
            "a/b\0.0",
            &"x".repeat(256),
        ] {
            assert!(scope_name(container).is_err(), "{container:?}");
        }
    }

    #[test]
    fn groups_of_others_are_no_scopes() {
        for scope in [
            "supervisor",
            "session-3.scope",
            "app:web.0",
            ":web.0.scope",
            "app:web.x.scope",
            "app:.0.scope",
        ] {
            assert_eq!(container_name(scope), None, "{scope}");
        }
    }
}
