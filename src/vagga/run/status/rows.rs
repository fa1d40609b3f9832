//! From the standing of the children to lines of text: pure.

use std::time::Instant;

use crate::vagga::run::group::Standing;

/// A line with the name of the group, then one for each child: name, state, since when, how often started again.
/// `time` is the time of the day. Names come from the configuration: whatever could move the cursor becomes `?`.
pub fn lines(title: &str, children: &[Standing<'_>], time: &dyn Fn(Instant) -> String) -> Vec<String> {
    let widest = |f: &dyn Fn(&Standing<'_>) -> usize| children.iter().map(f).max().unwrap_or(0);
    let names = widest(&|c| c.name.chars().count());
    let states = widest(&|c| c.state.chars().count());
    let line = |c: &Standing<'_>| {
        let mut line = format!(" {:names$}  {:states$}", c.name, c.state);
        if let Some(since) = c.since {
            line.push_str(&format!("  since {}", time(since)));
        }
        if c.restarts > 0 {
            line.push_str(&format!("  restarts {}", c.restarts));
        }
        plain(line.trim_end())
    };
    let heading = plain(&format!("-- {title} (Ctrl-C stops all) --"));
    std::iter::once(heading)
        .chain(children.iter().map(line))
        .collect()
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child<'a>(name: &'a str, state: &str, since: Option<Instant>, restarts: u32) -> Standing<'a> {
        Standing {
            name,
            state: state.into(),
            since,
            restarts,
        }
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let now = Instant::now();
        let children = [
            child("web", "ready", Some(now), 12),
            child("worker", "waits for web", None, 0),
            child("db", "running", Some(now), 0),
        ];
        let shown = lines("run", &children, &|_| "14:03:12".into());
        assert_eq!(
            shown,
            [
                "-- run (Ctrl-C stops all) --",
                " web     ready          since 14:03:12  restarts 12",
                " worker  waits for web",
                " db      running        since 14:03:12",
            ]
        );
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let shown = lines("a\x1b[2J", &[child("b\nc\x07", "running", None, 0)], &|_| {
            String::new()
        });
        assert_eq!(shown, ["-- a?[2J (Ctrl-C stops all) --", " b?c?  running"]);
    }
}
