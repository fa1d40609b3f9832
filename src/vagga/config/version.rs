//! `minimum-vagga`: whether this vagga is new enough for a file.

use std::cmp::Ordering;

/// The version of this program, as `vagga --version` prints it.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// Suffixes that make a version smaller, besides git hashes: `v1-rc < v1`.
const EARLIER: [&str; 7] = ["a", "b", "c", "rc", "pre", "dev", "dirty"];

/// A run of digits, or of letters and digits that starts with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component<'a> {
    Number(&'a str),
    Text(&'a str),
}

/// Orders two versions: component by component, numbers by value and above texts. If one is longer, a further
/// number makes it greater; a further text makes it smaller when it names a preliminary version or a git hash.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (components(a), components(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(extra), None) => return against_end(extra),
            (None, Some(extra)) => return against_end(extra).reverse(),
            (Some(x), Some(y)) => match compare_component(x, y) {
                Ordering::Equal => {}
                order => return order,
            },
        }
    }
}

fn compare_component(a: Component<'_>, b: Component<'_>) -> Ordering {
    match (a, b) {
        (Component::Number(a), Component::Number(b)) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (Component::Text(a), Component::Text(b)) => a.cmp(b),
        (Component::Number(_), Component::Text(_)) => Ordering::Greater,
        (Component::Text(_), Component::Number(_)) => Ordering::Less,
    }
}

/// How a version with this further component compares to the one without.
fn against_end(extra: Component<'_>) -> Ordering {
    match extra {
        Component::Text(text) if EARLIER.contains(&text) || text.starts_with('g') => Ordering::Less,
        _ => Ordering::Greater,
    }
}

fn components(version: &str) -> impl Iterator<Item = Component<'_>> {
    let mut rest = version.strip_prefix('v').unwrap_or(version);
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let first = rest.chars().next()?;
        let numeric = first.is_ascii_digit();
        let end = rest
            .find(|c: char| {
                if numeric {
                    !c.is_ascii_digit()
                } else {
                    !c.is_alphanumeric()
                }
            })
            .unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        Some(if numeric {
            Component::Number(run)
        } else {
            Component::Text(run)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_order() {
        let ascending = [
            "v0.4.0-rc",
            "0.4.0",
            "v0.4.1-dev",
            "v0.4.1-gfba00d7",
            "v0.4.1",
            "v0.4.1-28-gfba00d7",
            "v0.4.1-29",
            "v0.4.2",
            "v0.10.0",
            "v0.10.0-final",
            "99999999999999999999999.0",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
        assert_eq!(compare("v0.8.1", "0.08.1"), Ordering::Equal);
        assert_eq!(compare("1.0b2", "1.0.2"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn antisymmetric(a in "[v0-9a-zé.-]{0,12}", b in "[v0-9a-zé.-]{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
