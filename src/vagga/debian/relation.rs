//! Relations between packages: `Depends: a (>= 1.2) [amd64] <!nocheck> | b:any, c` (Debian policy §7.1).

use std::cmp::Ordering;

use super::version;

/// Comparison of a version constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

/// One package name with its constraint; borrows from the field it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    pub name: &'a str,
    pub constraint: Option<(Operator, &'a str)>,
}

impl Relation<'_> {
    /// Whether `version` satisfies the constraint.
    pub fn admits(&self, version: &str) -> bool {
        let Some((operator, wanted)) = self.constraint else {
            return true;
        };
        let order = version::compare(version, wanted);
        match operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterOrEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

impl std::fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((operator, version)) = self.constraint else {
            return f.write_str(self.name);
        };
        let sign = match operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        write!(f, "{} ({sign} {version})", self.name)
    }
}

/// The groups of a relation field, each with its alternatives that apply to `arch`. Groups of which nothing
/// applies are left out. Malformed alternatives are dropped, so a group of only such ones disappears too.
pub fn groups<'a>(field: &'a str, arch: &'a str) -> impl Iterator<Item = Vec<Relation<'a>>> + 'a {
    field.split(',').filter_map(move |group| {
        let alternatives: Vec<Relation<'a>> = group.split('|').filter_map(|a| parse(a, arch)).collect();
        (!alternatives.is_empty()).then_some(alternatives)
    })
}

/// One alternative; `None` when it does not apply to `arch` or is malformed.
fn parse<'a>(text: &'a str, arch: &str) -> Option<Relation<'a>> {
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '<'))
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let name = name.split_once(':').map_or(name, |(n, _)| n);
    if name.is_empty() {
        return None;
    }
    let mut constraint = None;
    loop {
        rest = rest.trim_start();
        match rest.chars().next() {
            None => break,
            Some('(') => {
                let (inner, after) = rest.get(1..)?.split_once(')')?;
                constraint = Some(parse_constraint(inner)?);
                rest = after;
            }
            Some('[') => {
                let (inner, after) = rest.get(1..)?.split_once(']')?;
                if !applies(inner, arch) {
                    return None;
                }
                rest = after;
            }
            // Build profiles: none is active, so a list of only positive ones does not apply.
            Some('<') => {
                let (inner, after) = rest.get(1..)?.split_once('>')?;
                if inner.split_whitespace().any(|p| !p.starts_with('!')) {
                    return None;
                }
                rest = after;
            }
            Some(_) => return None,
        }
    }
    Some(Relation { name, constraint })
}

fn parse_constraint(text: &str) -> Option<(Operator, &str)> {
    let text = text.trim();
    let end = text.find(|c| !matches!(c, '<' | '>' | '='))?;
    let (sign, version) = text.split_at(end);
    let operator = match sign {
        "<<" => Operator::Earlier,
        // `<` and `>` are the deprecated spellings of `<=` and `>=`.
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    let version = version.trim();
    (!version.is_empty()).then_some((operator, version))
}

/// Architecture list `amd64 arm64` or `!i386 !hurd-any`.
fn applies(list: &str, arch: &str) -> bool {
    let matches = |pattern: &str| {
        pattern == arch || pattern == "any" || pattern == "linux-any" || pattern == format!("any-{arch}")
    };
    let mut positive = false;
    for word in list.split_whitespace() {
        match word.strip_prefix('!') {
            Some(not) if matches(not) => return false,
            Some(_) => {}
            None if matches(word) => return true,
            None => positive = true,
        }
    }
    !positive
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(field: &str, arch: &str) -> Vec<Vec<String>> {
        groups(field, arch)
            .map(|g| g.iter().map(ToString::to_string).collect())
            .collect()
    }

    #[test]
    fn parses_alternatives_constraints_and_lists() {
        assert_eq!(
            text(
                "a (>= 1.2), b:any|c(<<3) , d [amd64 arm64], e [!amd64], f <!nocheck>, g <stage1>,",
                "amd64"
            ),
            [vec!["a (>= 1.2)"], vec!["b", "c (<< 3)"], vec!["d"], vec!["f"]]
        );
        assert_eq!(
            text("x [!i386 !hurd-any], y [linux-any]", "amd64"),
            [["x"], ["y"]]
        );
        assert!(text(" , ( , a (=) , b junk", "amd64").is_empty());
    }

    #[test]
    fn constraints_hold() {
        let one = |f: &'static str| groups(f, "amd64").next().unwrap()[0];
        assert!(one("a (>= 1)").admits("1"));
        assert!(!one("a (>> 1)").admits("1"));
        assert!(one("a (= 1-0)").admits("1"));
        assert!(one("a (<< 2)").admits("2~rc"));
        assert!(one("a").admits("0"));
    }

    proptest! {
        #[test]
        fn never_panics(field in "[a-z()<>=\\[\\]!|,: é0-9]{0,60}") {
            let _ = text(&field, "amd64");
        }
    }
}
