//! Limits of a group as a value, and the control files of both versions that enforce them.
//!
//! Pure: what is to be written where is decided here, and written in [`super::scope`].
//! Source: `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/` of the kernel.

mod io;

use super::Version;
pub use io::IoMax;

/// Length of the period of [`Limits::cpu_quota`], microseconds.
pub const CPU_PERIOD: u64 = 100_000;

/// What a group may use. `None` and an empty list mean no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; beyond it the kernel reclaims, then kills.
    pub memory: Option<u64>,
    /// Bytes of memory beyond which the group is slowed down; v2 only.
    pub memory_high: Option<u64>,
    /// Bytes of swap in addition to the memory.
    pub memory_swap: Option<u64>,
    /// Weight in the shares of v1, 2..=262144; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time in each [`CPU_PERIOD`]; 150 000 is one and a half processors. At least 1000.
    pub cpu_quota: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// Weight of disk access, 1..=10000; 100 is usual.
    pub io_weight: Option<u64>,
    /// Ceilings of disk access by device.
    pub io_max: Vec<IoMax>,
    /// Out of memory kills the whole group rather than one process; v2 only.
    pub oom_group: bool,
}

/// One value for a control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// By its name in v2: `memory`, `cpu`, `pids`, `io`.
    pub controller: &'static str,
    /// Files that may hold it, the first that exists is taken.
    pub files: &'static [&'static str],
    /// What to write.
    pub value: String,
    /// It is what a new group has anyway: only written to a group that is used again.
    pub is_default: bool,
    /// Nothing is lost when none of the files exists.
    pub is_optional: bool,
}

/// What a version cannot do: name of the limit.
pub type Missing = &'static str;

impl Limits {
    /// The settings of one controller in the order in which they have to be written.
    pub fn settings(&self, controller: &str, version: Version) -> (Vec<Setting>, Option<Missing>) {
        match (controller, version) {
            ("memory", Version::Two) => (self.memory_v2(), None),
            ("memory", Version::One) => (
                self.memory_v1(),
                self.memory_high.map(|_| "memory-high (version 2 only)"),
            ),
            ("cpu", Version::Two) => (self.cpu_v2(), None),
            ("cpu", Version::One) => (self.cpu_v1(), None),
            ("pids", _) => (vec![limit("pids", &["pids.max"], self.pids, "max")], None),
            ("io", Version::Two) => (self.io_v2(), None),
            ("io", Version::One) => (self.io_v1(), None),
            _ => (Vec::new(), None),
        }
    }

    /// True when something is asked of the controller.
    pub fn wants(&self, controller: &str) -> bool {
        match controller {
            "memory" => {
                self.memory().is_some()
                    || self.memory_high.is_some()
                    || self.memory_swap.is_some()
                    || self.oom_group
            }
            "cpu" => self.cpu_shares.is_some() || self.cpu_quota.is_some(),
            "pids" => self.pids.is_some(),
            "io" => self.io_weight.is_some() || !self.io_max.is_empty(),
            _ => false,
        }
    }

    fn memory_v2(&self) -> Vec<Setting> {
        vec![
            limit("memory", &["memory.high"], self.memory_high, "max"),
            limit("memory", &["memory.max"], self.memory(), "max"),
            self.without_swap(limit("memory", &["memory.swap.max"], self.swap(), "max")),
            setting(
                "memory",
                &["memory.oom.group"],
                u64::from(self.oom_group),
                !self.oom_group,
            ),
        ]
    }

    /// The largest number of the configuration means no limit.
    fn memory(&self) -> Option<u64> {
        self.memory.filter(|bytes| *bytes < i64::MAX as u64)
    }

    /// A limit of memory alone would only move the excess to the swap space.
    fn swap(&self) -> Option<u64> {
        self.memory_swap.or(self.memory().map(|_| 0))
    }

    /// A kernel that does not account for swap has no such file; that matters only if some was promised.
    fn without_swap(&self, setting: Setting) -> Setting {
        let is_optional = setting.is_optional || self.memory_swap.is_none();
        Setting {
            is_optional,
            ..setting
        }
    }

    /// The limit of both together must never be below that of memory: see [`super::scope`] on the order.
    fn memory_v1(&self) -> Vec<Setting> {
        let (memory, swap) = (self.memory(), self.swap());
        let both = memory.zip(swap).map(|(memory, swap)| memory.saturating_add(swap));
        let both = limit("memory", &["memory.memsw.limit_in_bytes"], both, "-1");
        vec![
            limit("memory", &["memory.limit_in_bytes"], memory, "-1"),
            self.without_swap(both),
        ]
    }

    fn cpu_v2(&self) -> Vec<Setting> {
        let weight = self.cpu_shares.map_or(100, cpu_weight);
        let quota = self
            .cpu_quota
            .map_or("max".into(), |quota| quota.max(1000).to_string());
        vec![
            setting("cpu", &["cpu.weight"], weight, self.cpu_shares.is_none()),
            setting(
                "cpu",
                &["cpu.max"],
                format!("{quota} {CPU_PERIOD}"),
                self.cpu_quota.is_none(),
            ),
        ]
    }

    fn cpu_v1(&self) -> Vec<Setting> {
        let shares = self.cpu_shares.map_or(1024, |shares| shares.clamp(2, 262_144));
        let quota = self
            .cpu_quota
            .map_or("-1".into(), |quota| quota.max(1000).to_string());
        let no_quota = self.cpu_quota.is_none();
        vec![
            setting("cpu", &["cpu.shares"], shares, self.cpu_shares.is_none()),
            setting("cpu", &["cpu.cfs_period_us"], CPU_PERIOD, no_quota),
            setting("cpu", &["cpu.cfs_quota_us"], quota, no_quota),
        ]
    }

    /// What a group that is used again still has of ceilings that are not wanted any more; `read` gives the text of a control file.
    pub fn stale(&self, controller: &str, version: Version, read: impl Fn(&str) -> String) -> Vec<Setting> {
        match controller {
            "io" => io::stale(&self.io_max, version, read),
            _ => Vec::new(),
        }
    }

    fn io_v2(&self) -> Vec<Setting> {
        let weight = self.io_weight.unwrap_or(100).clamp(1, 10_000);
        let no_weight = self.io_weight.is_none();
        let file: &[&str] = &["io.weight", "io.bfq.weight"];
        let mut settings = vec![setting("io", file, format!("default {weight}"), no_weight)];
        settings.extend(
            self.io_max
                .iter()
                .map(|max| setting("io", &["io.max"], max.line(), false)),
        );
        settings
    }

    fn io_v1(&self) -> Vec<Setting> {
        let weight = bfq_weight(self.io_weight.unwrap_or(100));
        let file: &[&str] = &["blkio.bfq.weight", "blkio.weight"];
        let mut settings = vec![setting("io", file, weight, self.io_weight.is_none())];
        settings.extend(self.io_max.iter().flat_map(IoMax::throttles));
        settings
    }
}

/// Weight of v2 (1..=10000) for shares of v1 (2..=262144), so that both ends meet: `1 + (shares−2)×9999/262142`.
pub fn cpu_weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// Weight of the disk scheduler BFQ (1..=1000) for a weight of v2 (1..=10000); 100 stays 100.
fn bfq_weight(weight: u64) -> u64 {
    match weight.clamp(1, 10_000) {
        low @ 0..=100 => low,
        high => 100 + (high - 100) * 900 / 9900,
    }
}

fn limit(
    controller: &'static str,
    files: &'static [&'static str],
    value: Option<u64>,
    none: &str,
) -> Setting {
    // The kernel reads signed numbers and takes the largest one for no limit.
    let text = value.map_or(none.to_string(), |n| n.min(i64::MAX as u64).to_string());
    setting(controller, files, text, value.is_none())
}

fn setting(
    controller: &'static str,
    files: &'static [&'static str],
    value: impl ToString,
    is_default: bool,
) -> Setting {
    Setting {
        controller,
        files,
        value: value.to_string(),
        is_default,
        is_optional: is_default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limits: &Limits, controller: &str, version: Version) -> Vec<String> {
        let (settings, _) = limits.settings(controller, version);
        let line = |s: &Setting| {
            format!(
                "{}{}={}",
                if s.is_default { "-" } else { "" },
                s.files[0],
                s.value
            )
        };
        settings.iter().map(line).collect()
    }

    fn all() -> Limits {
        Limits {
            memory: Some(64 << 20),
            memory_high: Some(48 << 20),
            memory_swap: Some(1 << 20),
            cpu_shares: Some(512),
            cpu_quota: Some(150_000),
            pids: Some(50),
            io_weight: Some(200),
            io_max: vec![IoMax {
                device: (8, 16),
                read_bytes: Some(1000),
                write_operations: Some(7),
                ..IoMax::default()
            }],
            oom_group: true,
        }
    }

    #[test]
    fn shares_become_weights() {
        let weights = [0, 2, 512, 1024, 262_144, u64::MAX].map(cpu_weight);
        assert_eq!(weights, [1, 1, 20, 39, 10_000, 10_000]);
    }

    #[test]
    fn disk_weights() {
        assert_eq!(
            [0, 1, 100, 200, 10_000, u64::MAX].map(bfq_weight),
            [1, 1, 100, 109, 1000, 1000]
        );
    }

    #[test]
    fn files_of_version_two() {
        let (limits, v2) = (all(), Version::Two);
        assert_eq!(
            lines(&limits, "memory", v2),
            [
                "memory.high=50331648",
                "memory.max=67108864",
                "memory.swap.max=1048576",
                "memory.oom.group=1"
            ]
        );
        assert_eq!(
            lines(&limits, "cpu", v2),
            ["cpu.weight=20", "cpu.max=150000 100000"]
        );
        assert_eq!(lines(&limits, "pids", v2), ["pids.max=50"]);
        assert_eq!(
            lines(&limits, "io", v2),
            [
                "io.weight=default 200",
                "io.max=8:16 rbps=1000 wbps=max riops=max wiops=7"
            ]
        );
    }

    #[test]
    fn files_of_version_one() {
        let (limits, v1) = (all(), Version::One);
        assert_eq!(
            lines(&limits, "memory", v1),
            [
                "memory.limit_in_bytes=67108864",
                "memory.memsw.limit_in_bytes=68157440"
            ]
        );
        assert_eq!(
            lines(&limits, "cpu", v1),
            [
                "cpu.shares=512",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=150000"
            ]
        );
        assert_eq!(
            lines(&limits, "io", v1),
            [
                "blkio.bfq.weight=109",
                "blkio.throttle.read_bps_device=8:16 1000",
                "blkio.throttle.write_iops_device=8:16 7"
            ]
        );
        assert!(limits.settings("memory", v1).1.is_some());
    }

    #[test]
    fn without_limits_everything_is_a_default() {
        let none = Limits::default();
        for controller in ["memory", "cpu", "pids", "io"] {
            assert!(!none.wants(controller) && all().wants(controller));
            for version in [Version::One, Version::Two] {
                let (settings, missing) = none.settings(controller, version);
                assert!(
                    missing.is_none() && settings.iter().all(|s| s.is_default),
                    "{controller}"
                );
            }
        }
        assert_eq!(
            lines(&none, "memory", Version::One)[0],
            "-memory.limit_in_bytes=-1"
        );
        assert_eq!(lines(&none, "pids", Version::Two), ["-pids.max=max"]);
    }

    /// The default of the container file is 2⁶³−1; a sum with swap must not wrap.
    #[test]
    fn the_largest_number_is_no_limit() {
        for memory in [i64::MAX as u64, u64::MAX] {
            let limits = Limits {
                memory: Some(memory),
                ..Limits::default()
            };
            assert_eq!(
                limits.settings("memory", Version::Two),
                Limits::default().settings("memory", Version::Two)
            );
            assert!(!limits.wants("memory"));
        }
        let limits = Limits {
            memory: Some(1 << 62),
            memory_swap: Some(u64::MAX),
            ..Limits::default()
        };
        let both = format!("memory.memsw.limit_in_bytes={}", i64::MAX);
        assert_eq!(lines(&limits, "memory", Version::One)[1], both);
    }

    #[test]
    fn a_limit_of_memory_forbids_swap() {
        let limits = Limits {
            memory: Some(4096),
            ..Limits::default()
        };
        assert!(lines(&limits, "memory", Version::Two).contains(&"memory.swap.max=0".to_string()));
        assert!(
            lines(&limits, "memory", Version::One).contains(&"memory.memsw.limit_in_bytes=4096".to_string())
        );
    }
}
