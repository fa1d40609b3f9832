//! A table of all instances, again every second.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::running::{self, Head, Knot, Snapshot};
use super::figures;
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
        let table = table(&before, &now);
        print(&format!("{CLEAR}{table}")).map_err(|e| format!("Can't write to stdout: {e}"))?;
        before = now;
    }
}

fn knots(snapshot: &Snapshot) -> Vec<Knot> {
    let trees = running::forest(snapshot);
    let mut knots: Vec<Knot> = trees.into_iter().flat_map(|t| t.knots).collect();
    knots.sort_by(|a, b| a.name.cmp(&b.name));
    knots
}

fn spent(knots: &[Knot]) -> Spent {
    let one = |knot: &Knot| {
        let heads = knot.heads.iter();
        heads
            .map(|h| ((knot.full_name(), h.pid), h.times.iter().sum()))
            .collect::<Vec<_>>()
    };
    knots.iter().flat_map(one).collect()
}

/// The table; processor time in percent of one core since `before`.
fn table(before: &Snapshot, now: &Snapshot) -> String {
    let earlier = spent(&knots(before));
    let interval = now.uptime.saturating_sub(before.uptime).max(1);
    let knots = knots(now);
    let total = |knot: &Knot, f: fn(&Head) -> u64| knot.heads.iter().map(f).sum::<u64>();
    let bytes = |knot: &Knot| total(knot, |h| h.rss + h.swap);
    let (unit, size) = figures::unit(knots.iter().map(bytes).max().unwrap_or(0));
    let mut text = format!(
        "{:>8} {:30} {:>6} {:>5} {:>5} {:>8}\n",
        "PID",
        "NAME",
        "CPU",
        "THR",
        "PRC",
        format!("MEM,{unit}")
    );
    for knot in &knots {
        let name = knot.full_name();
        let pid = match knot.heads.as_slice() {
            [head] => head.pid,
            _ => 0,
        };
        let ticks: u64 = knot
            .heads
            .iter()
            .filter_map(|head| {
                let spent: u64 = head.times.iter().sum();
                Some(spent.saturating_sub(*earlier.get(&(name.clone(), head.pid))?))
            })
            .sum();
        let cpu = ticks as f64 * 100.0 / interval as f64;
        let (threads, processes) = (total(knot, |h| h.threads), total(knot, |h| h.processes));
        let memory = figures::amount(bytes(knot), size);
        text.push_str(&format!(
            "{pid:>8} {name:30} {cpu:>6.1} {threads:>5} {processes:>5} {memory:>8}\n"
        ));
    }
    text
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
        let text = table(&before, &now);
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["PID", "NAME", "CPU", "THR", "PRC", "MEM,kiB"]);
        assert_eq!(lines[1], ["0", "blog/php.0", "0.0", "4", "2", "2.0"]);
        assert_eq!(lines[2], ["21", "shop/web.0", "50.0", "4", "2", "2.0"]);
        assert_eq!(lines[4], ["0", "shop/web.2", "0.0", "0", "0", "0.0"]);
        assert_eq!(lines.len(), 5);
    }
}
