//! From places of the host to the disks that hold them: the ceilings that the control group gets.

use super::design::DiskCeiling;
use crate::sys::block::{disk, disk_beneath};
use crate::sys::cgroup::IoMax;

/// One ceiling for each disk, the lowest of all that are about it; and a line for each place that is on none, for the log.
pub fn resolve(ceilings: &[DiskCeiling]) -> (Vec<IoMax>, Vec<String>) {
    let (mut found, mut unknown): (Vec<IoMax>, _) = (Vec::new(), Vec::new());
    for ceiling in ceilings {
        let device = match &ceiling.path {
            Some(path) => disk_beneath(&ceiling.beneath, path),
            None => disk(&ceiling.beneath),
        };
        let rates = &ceiling.rates;
        let max = |device| IoMax {
            device,
            read_bytes: rates.read_bytes,
            write_bytes: rates.write_bytes,
            read_operations: rates.read_operations,
            write_operations: rates.write_operations,
        };
        match device.map(max) {
            Ok(max) => match found.iter_mut().find(|other| other.device == max.device) {
                Some(other) => *other = other.lower(&max),
                None => found.push(max),
            },
            Err(e) => unknown.push(format!("{ceiling}: {e}")),
        }
    }
    (found, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lithos::config::IoRates;

    #[test]
    fn places_without_a_disk_are_told() {
        let rates = IoRates {
            read_bytes: Some(5),
            ..IoRates::default()
        };
        let ceiling = |beneath: &str, path: Option<&str>| DiskCeiling {
            beneath: beneath.into(),
            path: path.map(Into::into),
            rates: rates.clone(),
        };
        let (found, unknown) = resolve(&[ceiling("/proc", None), ceiling("/", Some("no/such"))]);
        assert!(found.is_empty());
        assert!(unknown[0].starts_with("limits of the disk of /proc read-bytes=5: is not on a disk"));
        assert!(
            unknown[1].starts_with("limits of the disk of ///no/such read-bytes=5: "),
            "{}",
            unknown[1]
        );
    }
}
