//! Version comparison of Alpine packages (apk-package(5), section on versions); nothing here touches the disk.
//!
//! ```text
//! digits{.digits}[letter]{_suffix[digits]}[~hash][-r digits]
//! ```
//! Suffixes before the plain version: `alpha`, `beta`, `pre`, `rc`; after it: `cvs`, `svn`, `git`, `hg`, `p`.

use std::cmp::Ordering;

/// Suffixes in their order; the plain version stands between `rc` and `cvs`.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
/// How many of [`SUFFIXES`] mean a version before the plain one.
const EARLIER: usize = 4;

/// One piece of a version. The order of the variants is what decides where two versions differ in kind: the earlier
/// one belongs to the later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    First(&'a str),
    Digits(&'a str),
    Letter(u8),
    /// Place in [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
    /// What breaks the rules, to the end of the text.
    Malformed(&'a str),
}

impl Part<'_> {
    fn rank(&self) -> u8 {
        match self {
            Part::First(_) => 0,
            Part::Digits(_) => 1,
            Part::Letter(_) => 2,
            Part::Suffix(_) => 3,
            Part::SuffixNumber(_) => 4,
            Part::Hash(_) => 5,
            Part::Revision(_) => 6,
            Part::End => 7,
            Part::Malformed(_) => 8,
        }
    }

    fn is_earlier(&self) -> bool {
        matches!(self, Part::Suffix(nth) if *nth < EARLIER)
    }
}

/// The pieces of a version, one after another.
struct Parts<'a> {
    rest: &'a str,
    last: Part<'a>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Parts<'a> {
        let last = Part::Malformed(version);
        let mut parts = Parts { rest: version, last };
        if let Some(digits) = parts.digits() {
            parts.last = Part::First(digits);
        }
        parts
    }

    fn digits(&mut self) -> Option<&'a str> {
        self.run(|b| b.is_ascii_digit())
    }

    /// The longest non-empty beginning of what is left that consists of such bytes.
    fn run(&mut self, fits: impl Fn(u8) -> bool) -> Option<&'a str> {
        let end = self
            .rest
            .bytes()
            .position(|b| !fits(b))
            .unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!run.is_empty()).then_some(run)
    }

    fn is_over(&self) -> bool {
        matches!(self.last, Part::End | Part::Malformed(_))
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Goes on to the next piece.
    fn advance(&mut self) {
        let here = self.rest;
        self.last = self.next().unwrap_or(Part::Malformed(here));
    }

    fn next(&mut self) -> Option<Part<'a>> {
        let rank = self.last.rank();
        if self.rest.is_empty() {
            return Some(Part::End);
        }
        if rank <= 1 && self.skip(".") {
            return self.digits().map(Part::Digits);
        }
        if rank <= 1 {
            if let Some(letter) = self.rest.bytes().next().filter(u8::is_ascii_lowercase) {
                self.rest = self.rest.get(1..)?;
                return Some(Part::Letter(letter));
            }
        }
        if rank == 3 && self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return self.digits().map(Part::SuffixNumber);
        }
        if rank <= 4 && self.skip("_") {
            let name = self.run(|b| b.is_ascii_lowercase())?;
            return SUFFIXES.iter().position(|s| *s == name).map(Part::Suffix);
        }
        if rank <= 4 && self.skip("~") {
            return self
                .run(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
                .map(Part::Hash);
        }
        if rank <= 5 && self.skip("-r") {
            return self.digits().map(Part::Revision);
        }
        None
    }
}

/// True for a version that follows the rules.
pub fn is_valid(version: &str) -> bool {
    let mut parts = Parts::new(version);
    while !parts.is_over() {
        parts.advance();
    }
    parts.last == Part::End
}

/// Compares two versions; what breaks the rules is before everything else at its place. A total order, whatever an
/// index says.
pub fn compare(a: &str, b: &str) -> Ordering {
    walk(a, b, false)
}

/// True when `version` is `prefix` or begins with its pieces: `1.2.3-r4` matches `1.2`, `1.20` does not.
pub fn matches_prefix(version: &str, prefix: &str) -> bool {
    walk(version, prefix, true) == Ordering::Equal
}

fn walk(a: &str, b: &str, prefix: bool) -> Ordering {
    let (mut x, mut y) = (Parts::new(a), Parts::new(b));
    while x.last.rank() == y.last.rank() {
        let order = compare_parts(x.last, y.last);
        if order != Ordering::Equal || x.is_over() {
            return order;
        }
        x.advance();
        y.advance();
    }
    if prefix && y.last == Part::End {
        return Ordering::Equal;
    }
    match (x.last.is_earlier(), y.last.is_earlier()) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => y.last.rank().cmp(&x.last.rank()),
    }
}

/// Two pieces of the same kind.
fn compare_parts(a: Part<'_>, b: Part<'_>) -> Ordering {
    match (a, b) {
        // Like digits behind a point: 1.05 is before 1.1.
        (Part::Digits(a), Part::Digits(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
        (Part::First(a), Part::First(b))
        | (Part::Digits(a), Part::Digits(b))
        | (Part::SuffixNumber(a), Part::SuffixNumber(b))
        | (Part::Revision(a), Part::Revision(b)) => numbers(a, b),
        (Part::Letter(a), Part::Letter(b)) => a.cmp(&b),
        (Part::Suffix(a), Part::Suffix(b)) => a.cmp(&b),
        (Part::Hash(a), Part::Hash(b)) | (Part::Malformed(a), Part::Malformed(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// Numbers of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_cases() {
        let table = [
            ("2.34", '>', "0.1.0_alpha"),
            ("0.1.0_alpha", '=', "0.1.0_alpha"),
            ("0.1.0_alpha", '<', "0.1.3_alpha"),
            ("0.1.0_alpha2", '>', "0.1.0_alpha"),
            ("1.4-r1", '<', "1.4-r2"),
            ("1.4-r2", '=', "1.4-r2"),
            ("1.4-r9", '<', "1.4-r10"),
            ("1.3-r0", '<', "1.3.1-r0"),
            ("1.3_pre1-r1", '<', "1.3.2"),
            ("1.0", '<', "1.0-r0"),
            ("1.0_p10-r0", '>', "1.0_p9-r0"),
            ("0.1.0_alpha_pre2", '<', "0.1.0_alpha"),
            ("1.0.0_pre20191002222144-r0", '<', "1.0.0_pre20210530193627-r0"),
            ("6.0_p1", '>', "6.0"),
            ("6.1", '>', "6.0_p1"),
            ("6.0_p1", '<', "6.0_p1-r1"),
            ("6.0_git20200101", '>', "6.0"),
            ("6.0_rc1", '<', "6.0"),
            ("6.0_rc1", '>', "6.0_pre9"),
            ("1.2a", '>', "1.2"),
            ("1.2a", '<', "1.2b"),
            ("1.2a", '<', "1.2.1"),
            ("12.2.5", '>', "12.2b"),
            ("1.06-r6", '<', "1.1"),
            ("8.2.0", '<', "8.2.001"),
            ("8.2.0015", '<', "8.2.002"),
            ("4.09-r1", '<', "4.090-r0"),
            ("2.1.0-r0", '>', "2.1"),
            ("23_foo", '>', "4_beta"),
            ("1.0~1234abc", '=', "1.0~1234abc"),
            ("1.0~1234abc-r2", '>', "1.0~1234abc-r1"),
            ("1.0", '<', "1.0~1234"),
            ("010", '=', "10"),
            ("99999999999999999999999", '>', "9999999999999999999999"),
        ];
        for (a, sign, b) in table {
            let order = match sign {
                '<' => Ordering::Less,
                '>' => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(compare(a, b), order, "{a} {sign} {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} reverse {a}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_three_are_in_order(v in proptest::collection::vec("(0|1|2|10|05|\\.1|a|_rc|_p1|~a|-r0|x){0,5}", 3)) {
            let order = |a: usize, b: usize| compare(&v[a], &v[b]);
            proptest::prop_assert_eq!(order(0, 1), order(1, 0).reverse());
            if order(0, 1) == order(1, 2) {
                proptest::prop_assert_eq!(order(0, 2), order(0, 1));
            }
        }
    }

    #[test]
    fn prefixes() {
        for (version, prefix, fits) in [
            ("1.2.3-r4", "1.2", true),
            ("1.2.3-r4", "1.2.3", true),
            ("1.2.3-r4", "1.2.3-r4", true),
            ("1.20", "1.2", false),
            ("1.2", "1.2.3", false),
            ("1.2_rc1", "1.2", true),
            ("2", "1", false),
        ] {
            assert_eq!(matches_prefix(version, prefix), fits, "{version} ~ {prefix}");
        }
    }

    #[test]
    fn validity() {
        for good in ["1", "1.2.3a_alpha1_p2~ab12-r3", "0", "1_git"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "", "a", "1.", "1_foo", "1-r", "1-1", "1..2", "1.2ab", "1-r1-r2", "v1", "1~", "1 ",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
