//! What the tests of this room share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary directory that is removed at the end of the test.
pub(crate) struct Temp(pub PathBuf);

impl Temp {
    pub(crate) fn new() -> Temp {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("orchestration-test-{}-{n}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        Temp(dir)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = super::remove_tree(&self.0);
    }
}

/// Runs the body of the test `name` of `module` (as `module_path!()` tells) in a process of its own: this program is
/// started again for that test alone. For what changes a process for good: namespaces, limits, filters, ids.
pub(crate) fn isolated(module: &str, name: &str, body: impl FnOnce()) {
    const MARK: &str = "ORCHESTRATION_ISOLATED_TEST";
    let (_, module) = module.split_once("::").unwrap();
    let test = format!("{module}::{name}");
    if std::env::var(MARK).is_ok_and(|mark| mark == test) {
        return body();
    }
    // What it leaves behind, because something is mounted there in its own namespace only, goes with this directory.
    let t = Temp::new();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--test-threads=1", "--nocapture"])
        .env(MARK, &test)
        .env("TMPDIR", &t.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
