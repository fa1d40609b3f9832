//! The output for people: a tree with sums.

use std::fmt::Write;

use super::super::running::{Head, Knot, Tree, TICKS};
use super::figures::{memory, uptime};
use super::known::Known;

/// A process that runs for less than this may be one that fails again and again, seconds.
const FRESH: u64 = 30;

/// Bold colours of ECMA-48, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, color: u8, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[1;{color}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    fn red(self, text: &str) -> String {
        self.with(31, text)
    }

    fn green(self, text: &str) -> String {
        self.with(32, text)
    }

    fn blue(self, text: &str) -> String {
        self.with(34, text)
    }

    /// `[P/T] MEM` of these heads.
    fn sums<'a>(self, heads: impl Iterator<Item = &'a Head>) -> String {
        let (mut processes, mut threads, mut bytes) = (0, 0, 0);
        for head in heads {
            processes += head.processes;
            threads += head.threads;
            bytes += head.rss + head.swap;
        }
        let (processes, threads) = (processes.to_string(), threads.to_string());
        format!(
            "[{}/{}] {}",
            self.blue(&processes),
            self.blue(&threads),
            self.blue(&memory(bytes))
        )
    }
}

/// How one tree is shown.
#[derive(Clone, Copy)]
struct View<'a> {
    paint: Paint,
    /// Uptime of the machine, clock ticks.
    now: u64,
    known: &'a Known,
}

/// All trees. `now` is the uptime of the machine in clock ticks.
pub fn render(trees: &[(&Tree, &Known)], now: u64, color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    for (tree, known) in trees {
        let view = View { paint, now, known };
        let heads = tree.knots.iter().flat_map(|k| &k.heads);
        let kind = if tree.pid == 0 { "no tree" } else { "tree" };
        let _ = writeln!(text, "{} {kind} {} {}", tree.pid, tree.master, paint.sums(heads));
        let knots = known.with_missing(tree);
        let sandboxes = knots.chunk_by(|a, b| a.name.0 == b.name.0);
        branches(&mut text, "  ", sandboxes, |text, knots, below| {
            sandbox(text, view, knots, below)
        });
    }
    text
}

/// Writes the branch sign before each item; `show` writes its line and what is below it.
fn branches<'a>(
    text: &mut String,
    indent: &str,
    items: impl Iterator<Item = &'a [Knot]>,
    mut show: impl FnMut(&mut String, &'a [Knot], &str),
) {
    let mut items = items.peekable();
    while let Some(item) = items.next() {
        let last = items.peek().is_none();
        text.push_str(indent);
        text.push_str(if last { "└─" } else { "├─" });
        let below = format!("{indent}{}", if last { "    " } else { "│   " });
        show(text, item, &below);
    }
}

fn sandbox(text: &mut String, view: View<'_>, knots: &[Knot], below: &str) {
    let name = knots.first().map_or("", |k| k.name.0.as_str());
    let _ = writeln!(
        text,
        "{name} {}",
        view.paint.sums(knots.iter().flat_map(|k| &k.heads))
    );
    let processes = knots.chunk_by(|a, b| a.name.1 == b.name.1);
    branches(text, below, processes, |text, knots, below| {
        process(text, view, knots, below)
    });
}

/// One instance with the index 0 needs no line for its process.
fn process(text: &mut String, view: View<'_>, knots: &[Knot], below: &str) {
    if let [knot] = knots {
        if knot.name.2 == "0" {
            return line(text, view, knot, &restarts(view, knots));
        }
    }
    let name = knots.first().map_or("", |k| k.name.1.as_str());
    let sums = view.paint.sums(knots.iter().flat_map(|k| &k.heads));
    let _ = writeln!(text, "{name} {sums}{}", restarts(view, knots));
    branches(text, below, knots.chunks(1), |text, one, _| {
        one.iter().for_each(|knot| line(text, view, knot, ""));
    });
}

/// ` restarts:N` of a process; nothing if there were none or nobody knows.
fn restarts(view: View<'_>, knots: &[Knot]) -> String {
    match knots.first().and_then(|knot| view.known.restarts(knot)) {
        Some(count) if count > 0 => format!(" restarts:{}", view.paint.blue(&count.to_string())),
        _ => String::new(),
    }
}

fn line(text: &mut String, view: View<'_>, knot: &Knot, end: &str) {
    let View { paint, now, known } = view;
    let name = knot.full_name();
    if knot.pid == 0 {
        let _ = writeln!(
            text,
            "{} {name} {}{end}",
            paint.red("(-)"),
            paint.red("<not running>")
        );
        return;
    }
    let pid = || paint.red(&format!("({})", knot.pid));
    let drift = known
        .mark(knot)
        .map_or_else(String::new, |mark| format!(" {}", paint.red(&mark)));
    let _ = match knot.heads.as_slice() {
        [] => writeln!(text, "{} {name} {}{drift}{end}", pid(), paint.red("<failing>")),
        [head] => {
            let seconds = now.saturating_sub(head.start) / TICKS;
            let up = uptime(seconds);
            let up = if seconds < FRESH {
                paint.red(&up)
            } else {
                paint.blue(&up)
            };
            let sums = paint.sums([head].into_iter());
            let head = paint.green(&head.pid.to_string());
            writeln!(text, "{head} {name} {up} {sums}{drift}{end}")
        }
        heads => {
            let mark = paint.red(&format!("<{}>", heads.len()));
            let sums = paint.sums(heads.iter());
            writeln!(text, "{} {name} {mark} {sums}{drift}{end}", pid())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::super::super::running::{forest, samples};
    use super::*;

    #[test]
    fn a_tree() {
        let snapshot = samples::snapshot();
        let trees = forest(&snapshot);
        let unknown = Known::default();
        let trees = [(&trees[0], &unknown)];
        assert_eq!(
            render(&trees, snapshot.uptime, false),
            "10 tree /m [5/10] 5.0kiB\n\
             \x20 ├─blog [2/4] 2.0kiB\n\
             \x20 │   └─(50) blog/php.0 <2> [2/4] 2.0kiB\n\
             \x20 └─shop [3/6] 3.0kiB\n\
             \x20     └─web [3/6] 3.0kiB\n\
             \x20         ├─21 shop/web.0 1m5s [2/4] 2.0kiB\n\
             \x20         ├─(40) shop/web.2 <failing>\n\
             \x20         └─31 shop/web.10 1m5s [1/2] 1.0kiB\n"
        );
        let colored = render(&trees, 1100, true);
        assert!(
            colored.contains("\x1b[1;32m21\x1b[0m shop/web.0 \x1b[1;31m1s\x1b[0m"),
            "{colored}"
        );
        assert!(colored.contains("\x1b[1;31m(40)\x1b[0m"), "{colored}");
    }

    #[test]
    fn restarts_and_drift() {
        let snapshot = samples::snapshot();
        let trees = forest(&snapshot);
        assert_eq!(
            render(&[(&trees[0], &Known::sample())], snapshot.uptime, false),
            "10 tree /m [5/10] 5.0kiB\n\
             \x20 ├─blog [2/4] 2.0kiB\n\
             \x20 │   └─(50) blog/php.0 <2> [2/4] 2.0kiB <edited: container file, sandbox file>\n\
             \x20 └─shop [3/6] 3.0kiB\n\
             \x20     └─web [3/6] 3.0kiB restarts:3\n\
             \x20         ├─21 shop/web.0 1m5s [2/4] 2.0kiB\n\
             \x20         ├─(-) shop/web.1 <not running>\n\
             \x20         ├─(40) shop/web.2 <failing> <outdated>\n\
             \x20         └─31 shop/web.10 1m5s [1/2] 1.0kiB <not configured>\n"
        );
    }
}
