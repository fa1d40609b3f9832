//! Block devices: the disk below a path. Reads only.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{fstat, major, minor, stat, FileStat, SFlag};

use super::path::Root;

/// Major and minor number.
pub type Device = (u32, u32);

/// Where the kernel lists them by number.
const BLOCK: &str = "/sys/dev/block";

/// The whole disk that holds a path of the host, or of which the block device there is (a part).
///
/// Errors: the path does not exist; what it is on is no block device of its own (memory, network, overlay, btrfs).
pub fn disk(path: &Path) -> io::Result<Device> {
    whole(device(&stat(path)?)?, Path::new(BLOCK))
}

/// The same for a path beneath a directory, which links cannot leave. An empty path is the directory.
pub fn disk_beneath(dir: &Path, path: &Path) -> io::Result<Device> {
    let root = Root::open(dir)?;
    let stat = match path.as_os_str().is_empty() {
        true => fstat(root.as_fd())?,
        false => fstat(root.open_with(path, OFlag::O_PATH, 0)?.as_fd())?,
    };
    whole(device(&stat)?, Path::new(BLOCK))
}

fn device(stat: &FileStat) -> io::Result<Device> {
    let is_block = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFBLK;
    let number = if is_block { stat.st_rdev } else { stat.st_dev };
    let none =
        || io::Error::other("is not on a disk (memory, network, overlay, btrfs): name the block device");
    // The kernel gives major number 0 to what has no device.
    match (u32::try_from(major(number)), u32::try_from(minor(number))) {
        (Ok(major), Ok(minor)) if major != 0 => Ok((major, minor)),
        _ => Err(none()),
    }
}

/// The disk that a partition is part of. In `block` partitions are links to directories in that of their disk.
fn whole((major, minor): Device, block: &Path) -> io::Result<Device> {
    let own = block.join(format!("{major}:{minor}"));
    if !own.join("partition").exists() {
        return Ok((major, minor));
    }
    let text = fs::read_to_string(own.join("../dev"))?;
    let parsed = text.trim().split_once(':');
    parsed
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| io::Error::other(format!("{}/../dev holds no device", own.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn a_partition_leads_to_its_disk() {
        let sys = Temp::new();
        let disk = sys.0.join("devices/sda");
        fs::create_dir_all(disk.join("sda1")).unwrap();
        let block = sys.0.join("block");
        fs::create_dir(&block).unwrap();
        fs::write(disk.join("dev"), "8:0\n").unwrap();
        fs::write(disk.join("sda1/partition"), "1\n").unwrap();
        std::os::unix::fs::symlink(&disk, block.join("8:0")).unwrap();
        std::os::unix::fs::symlink(disk.join("sda1"), block.join("8:1")).unwrap();
        assert_eq!(whole((8, 1), &block).unwrap(), (8, 0));
        assert_eq!(whole((8, 0), &block).unwrap(), (8, 0));
        assert_eq!(whole((253, 7), &block).unwrap(), (253, 7), "unknown: as it is");
    }

    #[test]
    fn what_is_on_no_disk_is_said() {
        let error = disk(Path::new("/proc/self")).unwrap_err().to_string();
        assert!(error.contains("not on a disk"), "{error}");
        assert!(disk(Path::new("/no/such/path")).is_err());
        let same = disk_beneath(Path::new("/"), Path::new("proc/version")).unwrap_err();
        assert_eq!(same.to_string(), error);
    }
}
