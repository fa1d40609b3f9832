//! Ceilings of disk access by device, in the words of both versions. Pure.
//!
//! Source: `io.max` in `cgroup-v2.rst`, `cgroup-v1/blkio-controller.rst`.

use super::{setting, Setting, Version};

/// Ceiling for one block device; `None` is no ceiling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoMax {
    /// Major and minor number, of a whole disk: the kernel takes no partitions.
    pub device: (u32, u32),
    /// Bytes read in a second.
    pub read_bytes: Option<u64>,
    /// Bytes written in a second.
    pub write_bytes: Option<u64>,
    /// Reads in a second.
    pub read_operations: Option<u64>,
    /// Writes in a second.
    pub write_operations: Option<u64>,
}

/// Of version 1, a file each.
const THROTTLES: [&[&str]; 4] = [
    &["blkio.throttle.read_bps_device"],
    &["blkio.throttle.write_bps_device"],
    &["blkio.throttle.read_iops_device"],
    &["blkio.throttle.write_iops_device"],
];

impl IoMax {
    /// The lower of both for each number; the device stays.
    pub fn lower(&self, other: &IoMax) -> IoMax {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        IoMax {
            device: self.device,
            read_bytes: least(self.read_bytes, other.read_bytes),
            write_bytes: least(self.write_bytes, other.write_bytes),
            read_operations: least(self.read_operations, other.read_operations),
            write_operations: least(self.write_operations, other.write_operations),
        }
    }

    fn rates(&self) -> [Option<u64>; 4] {
        [
            self.read_bytes,
            self.write_bytes,
            self.read_operations,
            self.write_operations,
        ]
    }

    /// `MAJ:MIN rbps=… wbps=… riops=… wiops=…`
    pub(super) fn line(&self) -> String {
        let (major, minor) = self.device;
        let mut line = format!("{major}:{minor}");
        for (name, rate) in ["rbps", "wbps", "riops", "wiops"].into_iter().zip(self.rates()) {
            let rate = rate.map_or("max".to_string(), |n| n.to_string());
            line.push_str(&format!(" {name}={rate}"));
        }
        line
    }

    /// The same for version 1.
    pub(super) fn throttles(&self) -> Vec<Setting> {
        let (major, minor) = self.device;
        let values = THROTTLES.into_iter().zip(self.rates());
        values
            .filter_map(|(file, rate)| Some(setting("io", file, format!("{major}:{minor} {}", rate?), false)))
            .collect()
    }
}

/// What takes away ceilings that a group has and that are not among the wanted ones. `read` gives the text of a control file.
pub(super) fn stale(wanted: &[IoMax], version: Version, read: impl Fn(&str) -> String) -> Vec<Setting> {
    match version {
        Version::Two => {
            let gone = |device: &(u32, u32)| !wanted.iter().any(|max| max.device == *device);
            let nothing = |device| IoMax {
                device,
                ..IoMax::default()
            };
            let found = devices(&read("io.max")).into_iter().filter(gone);
            found
                .map(|device| setting("io", &["io.max"], nothing(device).line(), true))
                .collect()
        }
        Version::One => {
            let kept: Vec<Setting> = wanted.iter().flat_map(IoMax::throttles).collect();
            THROTTLES
                .into_iter()
                .flat_map(|files| stale_in(files, &kept, &read))
                .collect()
        }
    }
}

/// Of one file of version 1, in which 0 takes a ceiling away.
fn stale_in(files: &'static [&'static str], kept: &[Setting], read: impl Fn(&str) -> String) -> Vec<Setting> {
    let text = files.first().map(|file| read(file)).unwrap_or_default();
    let is_kept = |device: &str| {
        let same = |s: &Setting| s.files == files && s.value.split(' ').next() == Some(device);
        kept.iter().any(same)
    };
    let names = devices(&text)
        .into_iter()
        .map(|(major, minor)| format!("{major}:{minor}"));
    names
        .filter(|device| !is_kept(device))
        .map(|device| setting("io", files, format!("{device} 0"), true))
        .collect()
}

/// The devices at the beginnings of lines `MAJ:MIN …`.
fn devices(text: &str) -> Vec<(u32, u32)> {
    let device = |line: &str| {
        let (major, minor) = line.split_ascii_whitespace().next()?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    text.lines().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn max(minor: u32, read_bytes: Option<u64>) -> IoMax {
        IoMax {
            device: (8, minor),
            read_bytes,
            ..IoMax::default()
        }
    }

    #[test]
    fn the_lower_number_counts() {
        let both = max(0, Some(5)).lower(&max(0, Some(3)));
        assert_eq!(both.read_bytes, Some(3));
        let one = max(0, None).lower(&max(0, Some(3)));
        assert_eq!((one.read_bytes, one.write_bytes), (Some(3), None));
    }

    #[test]
    fn former_ceilings_are_taken_away() {
        let text = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max\nno\n";
        let found = stale(&[max(0, Some(9))], Version::Two, |_| text.to_string());
        let values: Vec<_> = found.iter().map(|s| s.value.as_str()).collect();
        assert_eq!(values, ["8:16 rbps=max wbps=max riops=max wiops=max"]);
        let v1 = |file: &str| match file {
            "blkio.throttle.read_bps_device" => "8:0 1\n8:16 2\n".to_string(),
            "blkio.throttle.write_iops_device" => "8:0 7\n".to_string(),
            _ => String::new(),
        };
        let found = stale(&[max(0, Some(9))], Version::One, v1);
        let values: Vec<_> = found.iter().map(|s| (s.files[0], s.value.as_str())).collect();
        assert_eq!(
            values,
            [
                ("blkio.throttle.read_bps_device", "8:16 0"),
                ("blkio.throttle.write_iops_device", "8:0 0")
            ]
        );
    }
}
