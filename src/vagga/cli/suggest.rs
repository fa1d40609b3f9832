//! "Did you mean …?" for mistyped names.

/// The known name nearest to a mistyped one, if it is near: at most a third of its letters wrong, and at most three.
pub fn closest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (typed.trim_start_matches('-').chars().count() / 3).clamp(1, 3);
    known
        .map(|name| (distance(typed, name), name))
        .filter(|(d, name)| *d <= limit && *d < name.trim_start_matches('-').chars().count())
        .min()
        .map(|(_, name)| name)
}

/// Number of insertions, deletions, replacements and swaps of neighbours between two words
/// (optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    const FAR: usize = usize::MAX / 2;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = vec![FAR; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(FAR);
            let mut d = (get(&last, j) + usize::from(x != y))
                .min(get(&last, j + 1) + 1)
                .min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                d = d.min(get(&before, j - 1) + 1);
            }
            row.push(d);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["build", "test", "run", "_run", "--no-build"];
        let near = |typed| closest(typed, known.into_iter());
        assert_eq!(near("biuld"), Some("build"));
        assert_eq!(near("tset"), Some("test"));
        assert_eq!(near("rn"), Some("run"));
        assert_eq!(near("_rum"), Some("_run"));
        assert_eq!(near("--no-biuld"), Some("--no-build"));
        assert_eq!(near("xyz"), None);
        assert_eq!(near("x"), None);
        assert_eq!(near(""), None);
    }
}
