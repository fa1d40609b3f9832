//! The output for programs: one line without a line end, with exactly these keys.

use serde_derive::Serialize;

use super::super::running::{Head, Knot, Tree, TICKS};
use super::known::{Drift, Known};

#[derive(Serialize)]
struct Document {
    trees: Vec<TreeNode>,
}

#[derive(Serialize)]
struct TreeNode {
    pid: u32,
    config: String,
    children: Vec<Child>,
    /// Configured instances that do not run; not there when nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Child {
    name: String,
    pid: u32,
    ok: bool,
    processes: Vec<Process>,
    /// Of all instances of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    /// `none`, `outdated`, `unwanted` or `edited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<&'static str>,
    /// Which files were edited since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited: Option<Vec<&'static str>>,
    /// Another container waits to follow it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    standby: bool,
}

/// Memory in bytes, times in clock ticks.
#[derive(Serialize)]
struct Process {
    pid: u32,
    processes: u64,
    threads: u64,
    mem_rss: u64,
    mem_swap: u64,
    /// Unix seconds.
    start_time: u64,
    user_time: u64,
    system_time: u64,
    child_user_time: u64,
    child_system_time: u64,
}

/// The line; `boot` is the time of boot in Unix seconds.
pub fn render(trees: &[(&Tree, &Known)], boot: u64) -> String {
    let tree = |(tree, known): &(&Tree, &Known)| TreeNode {
        pid: tree.pid,
        config: tree.master.clone(),
        children: tree.knots.iter().map(|knot| child(knot, known, boot)).collect(),
        missing: known
            .missing()
            .map(|names| names.into_iter().map(String::from).collect()),
    };
    let document = Document {
        trees: trees.iter().map(tree).collect(),
    };
    // Numbers and texts always have a JSON form.
    serde_json::to_string(&document).unwrap_or_default()
}

fn child(knot: &Knot, known: &Known, boot: u64) -> Child {
    Child {
        name: knot.full_name(),
        pid: knot.pid,
        ok: knot.heads.len() == 1,
        processes: knot.heads.iter().map(|head| process(head, boot)).collect(),
        restarts: known.restarts(knot),
        drift: known.drift(knot).map(|drift| match drift {
            Drift::None => "none",
            Drift::Outdated => "outdated",
            Drift::Unwanted => "unwanted",
            Drift::Edited => "edited",
        }),
        edited: known.edited(knot).map(<[_]>::to_vec),
        standby: knot.standby,
    }
}

fn process(head: &Head, boot: u64) -> Process {
    let [user_time, system_time, child_user_time, child_system_time] = head.times;
    Process {
        pid: head.pid,
        processes: head.processes,
        threads: head.threads,
        mem_rss: head.rss,
        mem_swap: head.swap,
        start_time: boot + head.start / TICKS,
        user_time,
        system_time,
        child_user_time,
        child_system_time,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::running::{forest, samples};
    use super::*;

    #[test]
    fn keys_and_their_order() {
        assert_eq!(render(&[], 0), "{\"trees\":[]}");
        let trees = forest(&samples::snapshot());
        let unknown = Known::default();
        let text = render(&[(&trees[0], &unknown)], 1_000_000);
        assert!(
            text.starts_with("{\"trees\":[{\"pid\":10,\"config\":\"/m\",\"children\":["),
            "{text}"
        );
        let web =
            "{\"name\":\"shop/web.0\",\"pid\":20,\"ok\":true,\"processes\":[{\"pid\":21,\"processes\":2,\
                   \"threads\":4,\"mem_rss\":2048,\"mem_swap\":2,\"start_time\":1000010,\"user_time\":20,\
                   \"system_time\":10,\"child_user_time\":2,\"child_system_time\":2}]}";
        assert!(text.contains(web), "{text}");
        assert!(
            text.contains("{\"name\":\"shop/web.2\",\"pid\":40,\"ok\":false,\"processes\":[]}"),
            "{text}"
        );
        // What is known on top stands behind.
        let sample = Known::sample();
        let text = render(&[(&trees[0], &sample)], 0);
        let php = "\"drift\":\"edited\",\"edited\":[\"container file\",\"sandbox file\"]}";
        assert!(text.contains(php), "{text}");
        let web = "\"ok\":false,\"processes\":[],\"restarts\":3,\"drift\":\"outdated\"}";
        assert!(text.contains(web), "{text}");
        assert!(text.ends_with("],\"missing\":[\"shop/web.1\"]}]}"), "{text}");
    }
}
