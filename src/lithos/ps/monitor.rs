//! A table of all instances, again every second.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::running::{self, Head, Knot, Snapshot, Tree};
use super::figures;
use super::known::Known;
use crate::cli::output::print;

const INTERVAL: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its first cell.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Clock ticks spent by the head of each instance, by name and PID.
type Spent = BTreeMap<(String, u32), u64>;

/// Shows the table until the process is interrupted or the terminal is gone.
pub fn run(look: impl Fn() -> Result<Snapshot, String>) -> Result<i32, String> {
    let mut before = look()?;
    loop {
        std::thread::sleep(INTERVAL);
        let now = look()?;
        let trees = running::forest(&now);
        let known: Vec<Known> = trees.iter().map(Known::of).collect();
        let interval = now.uptime.saturating_sub(before.uptime).max(1);
        let table = table(&spent(&before), interval, &rows(&trees, &known));
        print(&format!("{CLEAR}{table}")).map_err(|e| format!("Can't write to stdout: {e}"))?;
        before = now;
    }
}

/// All instances by name, each with what is known about its tree.
fn rows<'a>(trees: &[Tree], known: &'a [Known]) -> Vec<(Knot, &'a Known)> {
    let of_tree = |(tree, known): (&Tree, &'a Known)| {
        let knots = known.with_missing(tree).into_iter();
        knots.map(|knot| (knot, known)).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = trees.iter().zip(known).flat_map(of_tree).collect();
    rows.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    rows
}

fn spent(snapshot: &Snapshot) -> Spent {
    let trees = running::forest(snapshot);
    let knots = trees.iter().flat_map(|tree| &tree.knots);
    let one = |knot: &Knot| {
        let heads = knot.heads.iter();
        heads
            .map(|h| ((knot.full_name(), h.pid), h.times.iter().sum()))
            .collect::<Vec<_>>()
    };
    knots.flat_map(one).collect()
}

/// The table; processor time in percent of one core since `earlier`, `interval` clock ticks ago.
fn table(earlier: &Spent, interval: u64, rows: &[(Knot, &Known)]) -> String {
    let (unit, size) = figures::unit(rows.iter().map(|(knot, _)| bytes(knot)).max().unwrap_or(0));
    let memory = format!("MEM,{unit}");
    let mut text = format!(
        "{:>8} {:30} {:>6} {:>5} {:>5} {memory:>8} {:>5}\n",
        "PID", "NAME", "CPU", "THR", "PRC", "RST"
    );
    for (knot, known) in rows {
        let name = knot.full_name();
        let pid = match knot.heads.as_slice() {
            [head] => head.pid,
            _ => 0,
        };
        let cpu = ticks(knot, earlier) as f64 * 100.0 / interval as f64;
        let (threads, processes) = (total(knot, |h| h.threads), total(knot, |h| h.processes));
        let memory = figures::amount(bytes(knot), size);
        // All instances of a process share the number.
        let restarts = known.restarts(knot).map_or("-".into(), |count| count.to_string());
        let marks = marks(knot, known);
        text.push_str(&format!(
            "{pid:>8} {name:30} {cpu:>6.1} {threads:>5} {processes:>5} {memory:>8} {restarts:>5}{marks}\n"
        ));
    }
    text
}

fn total(knot: &Knot, f: fn(&Head) -> u64) -> u64 {
    knot.heads.iter().map(f).sum()
}

fn bytes(knot: &Knot) -> u64 {
    total(knot, |h| h.rss + h.swap)
}

/// Spent by processes that were there before.
fn ticks(knot: &Knot, earlier: &Spent) -> u64 {
    let name = knot.full_name();
    let since = |head: &Head| {
        let spent: u64 = head.times.iter().sum();
        Some(spent.saturating_sub(*earlier.get(&(name.clone(), head.pid))?))
    };
    knot.heads.iter().filter_map(since).sum()
}

/// What is wrong with it, as in the other output.
fn marks(knot: &Knot, known: &Known) -> String {
    if knot.pid == 0 {
        return " <not running>".into();
    }
    let heads = match knot.heads.len() {
        0 => " <failing>".into(),
        1 => String::new(),
        several => format!(" <{several}>"),
    };
    let drift = known
        .mark(knot)
        .map_or_else(String::new, |mark| format!(" {mark}"));
    heads + &drift
}

#[cfg(test)]
mod tests {
    use super::super::super::running::samples;
    use super::*;

    #[test]
    fn a_table() {
        let before = samples::snapshot();
        let mut now = before.clone();
        now.uptime += 100;
        now.processes.get_mut(&22).unwrap().times[0] += 50;
        let trees = running::forest(&now);
        let unknown = [Known::default()];
        let text = table(&spent(&before), 100, &rows(&trees, &unknown));
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["PID", "NAME", "CPU", "THR", "PRC", "MEM,kiB", "RST"]);
        assert_eq!(lines[1], ["0", "blog/php.0", "0.0", "4", "2", "2.0", "-", "<2>"]);
        assert_eq!(lines[2], ["21", "shop/web.0", "50.0", "4", "2", "2.0", "-"]);
        assert_eq!(
            lines[4],
            ["0", "shop/web.2", "0.0", "0", "0", "0.0", "-", "<failing>"]
        );
        assert_eq!(lines.len(), 5);
        let known = [Known::sample()];
        let text = table(&spent(&before), 100, &rows(&trees, &known));
        let ends: Vec<&str> = text.lines().skip(1).map(|line| line.get(69..).unwrap()).collect();
        let marks = [
            "0 <2> <edited: container file, sandbox file>",
            "3",
            "3 <not running>",
            "3 <not configured>",
            "3 <failing> <outdated>",
        ];
        assert_eq!(ends.iter().map(|end| end.trim()).collect::<Vec<_>>(), marks);
    }
}
