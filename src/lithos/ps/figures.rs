//! Memory and time as people read them.

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("kiB", 1 << 10), ("B", 1)];

/// The largest unit that is not larger than the amount.
pub fn unit(bytes: u64) -> (&'static str, u64) {
    let fitting = UNITS.into_iter().find(|(_, size)| bytes >= *size);
    fitting.unwrap_or(("B", 1))
}

/// An amount in a unit, without the unit: one decimal, none for bytes.
pub fn amount(bytes: u64, unit: u64) -> String {
    match unit {
        1 => bytes.to_string(),
        unit => format!("{:.1}", bytes as f64 / unit as f64),
    }
}

/// `512B`, `1.3kiB`, `2.7MiB`, `1.0GiB`.
pub fn memory(bytes: u64) -> String {
    let (name, size) = unit(bytes);
    amount(bytes, size) + name
}

/// `29s`, `1m5s`, `3h2m1s`, `2d4h6m`, from three days on `12days`.
pub fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let (s, m, h) = (seconds % 60, minutes % 60, hours % 24);
    match (days, hours, minutes) {
        (3.., _, _) => format!("{days}days"),
        (1.., _, _) => format!("{days}d{h}h{m}m"),
        (_, 1.., _) => format!("{hours}h{m}m{s}s"),
        (_, _, 1..) => format!("{minutes}m{s}s"),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_forms() {
        for (bytes, text) in [
            (0, "0B"),
            (512, "512B"),
            (1331, "1.3kiB"),
            (2_831_155, "2.7MiB"),
            (1 << 30, "1.0GiB"),
            (1 << 42, "4096.0GiB"),
        ] {
            assert_eq!(memory(bytes), text);
        }
        for (seconds, text) in [
            (0, "0s"),
            (29, "29s"),
            (65, "1m5s"),
            (3 * 3600 + 121, "3h2m1s"),
            (2 * 86400 + 4 * 3600 + 6 * 60 + 59, "2d4h6m"),
            (3 * 86400, "3days"),
            (12 * 86400 + 5, "12days"),
        ] {
            assert_eq!(uptime(seconds), text);
        }
    }
}
