//! Writes the counters of the tree to its metric files, for cantal and for whoever reads them: `RUNTIME/metrics.meta` and
//! `.values`, or where `CANTAL_PATH` says. A value costs a store into shared memory: no system call, and nothing here ever wakes the
//! tree up. So there is no metric of how long something has run, but of when it began.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::figures::{Counts, Figures};
use crate::metrics::{Kind, Metric, Writer};

/// Variable that says where the files are, seen by cantal in `/proc/PID/environ`.
pub const CANTAL_PATH: &str = "CANTAL_PATH";

/// A metric of [`Figures`] and how it is read and taken back.
struct Column<T> {
    name: &'static str,
    kind: Kind,
    get: fn(&T) -> u64,
    set: fn(&mut T, u64),
}

const fn counter<T>(name: &'static str, get: fn(&T) -> u64, set: fn(&mut T, u64)) -> Column<T> {
    let kind = Kind::Counter;
    Column { name, kind, get, set }
}

const fn level<T>(name: &'static str, get: fn(&T) -> u64) -> Column<T> {
    Column {
        name,
        kind: Kind::Signed,
        get,
        // What is at the moment is not taken over from a former tree.
        set: |_, _| {},
    }
}

/// Group `master`.
const MASTER: [Column<Figures>; 5] = [
    counter("restarts", |f| f.restarts, |f, v| f.restarts = v),
    level("sandboxes", |f| f.sandboxes),
    level("containers", |f| f.containers),
    level("queue", |f| f.queue),
    counter("turns", |f| f.turns, |f, v| f.turns = v),
];

/// Strays, and what waits, in group `containers`.
const OTHERS: [Column<Figures>; 2] = [level("unknown", |f| f.unknown), level("standbys", |f| f.standbys)];

/// Groups `containers` and `processes.SB.PROC`.
const COUNTS: [Column<Counts>; 6] = [
    counter("started", |c| c.started, |c, v| c.started = v),
    counter("deaths", |c| c.deaths, |c, v| c.deaths = v),
    counter("failures", |c| c.failures, |c, v| c.failures = v),
    level("running", |c| c.running),
    counter("restarts", |c| c.restarts, |c, v| c.restarts = v),
    counter("ooms", |c| c.ooms, |c, v| c.ooms = v),
];

/// In groups of processes: when the youngest running instance was started, seconds since the epoch, 0 = none runs.
const START_TIME: &str = "start_time_seconds";
/// Metrics before those of the first process.
const FIRST: usize = MASTER.len() + COUNTS.len() + OTHERS.len();
/// Metrics of a process.
const WIDTH: usize = COUNTS.len() + 1;

/// The files, or the knowledge that there are none.
#[derive(Debug)]
pub struct Publisher {
    prefix: PathBuf,
    writer: Option<Writer>,
    tried: bool,
    /// Processes in the files, in their order; for each the last start that was converted.
    entries: Vec<(String, Start)>,
}

/// A start on the monotonic clock, milliseconds, and on the calendar, seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    monotonic: u64,
    calendar: i64,
}

impl Publisher {
    /// Nothing is opened before the first [`publish`](Publisher::publish) or [`recall`](Publisher::recall).
    pub fn new(prefix: PathBuf) -> Publisher {
        Publisher {
            prefix,
            writer: None,
            tried: false,
            entries: Vec::new(),
        }
    }

    /// Adds what a tree counted that died: its files are still there.
    pub fn recall(&mut self, figures: &mut Figures) -> Result<(), String> {
        self.open(figures)?;
        let Some(writer) = &self.writer else { return Ok(()) };
        for (index, column) in MASTER.iter().enumerate() {
            (column.set)(figures, (column.get)(figures) + writer.get(index));
        }
        let add = |counts: &mut Counts, first: usize| {
            for (index, column) in COUNTS.iter().enumerate() {
                (column.set)(counts, (column.get)(counts) + writer.get(first + index));
            }
        };
        add(&mut figures.total, MASTER.len());
        for (place, counts) in figures.entries.values_mut().enumerate() {
            add(counts, FIRST + place * WIDTH);
        }
        Ok(())
    }

    /// Writes everything; `now`: milliseconds of the monotonic clock. Makes new files when the processes are others.
    /// Errors are said once for a set of processes, and name the file.
    pub fn publish(&mut self, figures: &Figures, now: u64) -> Result<(), String> {
        if self.is_outdated(figures) {
            self.open(figures)?;
        }
        let Some(writer) = &self.writer else { return Ok(()) };
        let counts = |first: usize, counts: &Counts| {
            for (index, column) in COUNTS.iter().enumerate() {
                writer.set(first + index, (column.get)(counts) as i64);
            }
        };
        for (index, column) in MASTER.iter().enumerate() {
            writer.set(index, (column.get)(figures) as i64);
        }
        counts(MASTER.len(), &figures.total);
        for (i, column) in OTHERS.iter().enumerate() {
            writer.set(FIRST - OTHERS.len() + i, (column.get)(figures) as i64);
        }
        for (place, (of_entry, (_, start))) in figures.entries.values().zip(&mut self.entries).enumerate() {
            let first = FIRST + place * WIDTH;
            counts(first, of_entry);
            if start.monotonic != of_entry.last_start {
                *start = Start::new(of_entry.last_start, now);
            }
            let shown = if of_entry.running > 0 { start.calendar } else { 0 };
            writer.set(first + COUNTS.len(), shown);
        }
        Ok(())
    }

    /// Removes the files.
    pub fn remove(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.remove();
        }
    }

    fn is_outdated(&self, figures: &Figures) -> bool {
        let shown = self.entries.iter().map(|(key, _)| key);
        !self.tried || !figures.entries.keys().eq(shown)
    }

    fn open(&mut self, figures: &Figures) -> Result<(), String> {
        self.entries = figures
            .entries
            .keys()
            .map(|key| (key.clone(), Start::default()))
            .collect();
        self.tried = true;
        // One at a time has the files mapped.
        self.writer = None;
        let metrics = metrics(figures.entries.keys());
        self.writer = Some(Writer::open(&self.prefix, &metrics).map_err(|e| format!("metrics: {e}"))?);
        Ok(())
    }
}

impl Start {
    fn new(monotonic: u64, now: u64) -> Start {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let ago = i64::try_from(now.saturating_sub(monotonic)).unwrap_or(i64::MAX);
        let calendar = millis.saturating_sub(ago) / 1000;
        Start { monotonic, calendar }
    }
}

/// All metrics in the order of the values.
fn metrics<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<Metric> {
    let mut all: Vec<Metric> = MASTER.iter().map(|column| metric("master", column)).collect();
    all.extend(COUNTS.iter().map(|column| metric("containers", column)));
    all.extend(OTHERS.iter().map(|column| metric("containers", column)));
    for key in keys {
        let group = format!("processes.{}", key.replacen('/', ".", 1));
        all.extend(COUNTS.iter().map(|column| metric(&group, column)));
        all.push(Metric::level(&group, START_TIME));
    }
    all
}

fn metric<T>(group: &str, column: &Column<T>) -> Metric {
    match column.kind {
        Kind::Counter => Metric::counter(group, column.name),
        _ => Metric::level(group, column.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::meta;
    use crate::metrics::values::{decode, Value};
    use crate::sys::fs::tests::Temp;

    fn figures() -> Figures {
        let mut figures = Figures {
            restarts: 1,
            containers: 2,
            ..Figures::default()
        };
        figures.count("app/web", |c| {
            c.started += 3;
            c.running += 2;
            c.last_start = 10_000;
        });
        figures
    }

    /// Values by `group metric`.
    fn read(dir: &Temp) -> Vec<(String, Value)> {
        let text = std::fs::read_to_string(dir.0.join("m.meta")).unwrap();
        let bytes = std::fs::read(dir.0.join("m.values")).unwrap();
        let fields = meta::parse(&text).unwrap();
        let values = decode(&fields, &bytes).unwrap();
        let named = |(index, value): (usize, Value)| (fields[index].json.clone(), value);
        values.into_iter().map(named).collect()
    }

    fn value(all: &[(String, Value)], group: &str, metric: &str) -> Option<Value> {
        let json = crate::metrics::Description::new(group, metric).to_json();
        all.iter()
            .find(|(key, _)| *key == json)
            .map(|(_, value)| value.clone())
    }

    #[test]
    fn counts_and_levels_are_published() {
        let dir = Temp::new();
        let mut publisher = Publisher::new(dir.0.join("m"));
        publisher.publish(&figures(), 11_000).unwrap();
        let all = read(&dir);
        assert_eq!(all.len(), FIRST + WIDTH);
        assert_eq!(value(&all, "master", "containers"), Some(Value::Integer(2)));
        assert_eq!(value(&all, "containers", "started"), Some(Value::Counter(3)));
        assert_eq!(
            value(&all, "processes.app.web", "running"),
            Some(Value::Integer(2))
        );
        let Some(Value::Integer(start)) = value(&all, "processes.app.web", START_TIME) else {
            panic!("no start time");
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!(
            (now - 4..=now).contains(&start),
            "{start} is not about a second before {now}"
        );
        publisher.remove();
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0);
    }

    #[test]
    fn counters_of_a_tree_that_died_go_on_levels_do_not() {
        let dir = Temp::new();
        Publisher::new(dir.0.join("m"))
            .publish(&figures(), 11_000)
            .unwrap();
        let mut next = Figures::default();
        next.entries.insert("app/web".into(), Counts::default());
        let mut publisher = Publisher::new(dir.0.join("m"));
        publisher.recall(&mut next).unwrap();
        assert_eq!((next.restarts, next.containers, next.total.started), (1, 0, 3));
        let web = next.entries["app/web"];
        assert_eq!((web.started, web.running), (3, 0));
    }

    #[test]
    fn a_process_that_comes_or_goes_changes_the_set() {
        let dir = Temp::new();
        let mut publisher = Publisher::new(dir.0.join("m"));
        let mut figures = figures();
        publisher.publish(&figures, 0).unwrap();
        figures.entries.insert("app/mail".into(), Counts::default());
        publisher.publish(&figures, 0).unwrap();
        assert_eq!(
            value(&read(&dir), "processes.app.mail", "started"),
            Some(Value::Counter(0))
        );
        assert_eq!(
            value(&read(&dir), "processes.app.web", "started"),
            Some(Value::Counter(3))
        );
        figures.entries.remove("app/web");
        publisher.publish(&figures, 0).unwrap();
        assert_eq!(value(&read(&dir), "processes.app.web", "started"), None);
    }

    #[test]
    fn an_impossible_place_is_said_once() {
        let mut publisher = Publisher::new("/proc/none/m".into());
        let error = publisher.publish(&figures(), 0).unwrap_err();
        assert!(error.contains("/proc/none/m.tmp"), "{error}");
        publisher.publish(&figures(), 0).unwrap();
    }
}
