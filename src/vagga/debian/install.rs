//! A new system from package files: unpack everything in a few processes, write dpkg's database, and the script that
//! runs the maintainer scripts in the container.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::choice::Choice;
use super::unpack::{Unpacked, Unpacker, ADMIN_DIR};
use super::Error;
use crate::sys::path::Root;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
use crate::vagga::archive::Guard;

/// More processes do not help: they would wait for the disk.
const MAX_WORKERS: usize = 4;

/// Directories that became links to `/usr/…` (merged /usr; Debian since bookworm demands it).
const MERGED: [&str; 3] = ["bin", "sbin", "lib"];

/// Unpacks `files` (in the order of `choices`) into `root` and writes dpkg's database.
///
/// `owners`: give files their owners. `scratch`: an existing directory for temporary files. The caller must be
/// single-threaded.
pub fn unpack(
    root: &Root,
    choices: &[Choice],
    files: &[PathBuf],
    owners: bool,
    scratch: &Path,
) -> Result<Vec<Unpacked>, Error> {
    prepare(root).map_err(|e| Error::new(format!("cannot prepare the new system: {e}")))?;
    let mut queues = share_out(choices, worker_count());
    // The package with the directories goes first: its modes count, and it may bring the links of merged /usr.
    let base = choices.iter().position(|c| c.name == "base-files");
    queues.iter_mut().for_each(|q| q.retain(|nth| Some(*nth) != base));
    let mut done = BTreeMap::new();
    if let Some(file) = base.and_then(|b| files.get(b)) {
        merge_usr(root, file, choices)?;
        let first: Vec<usize> = base.into_iter().collect();
        run_workers(root, &[first], files, owners, scratch, &mut done)?;
    }
    run_workers(root, &queues, files, owners, scratch, &mut done)?;
    let unpacked: Vec<Unpacked> = done.into_values().collect();
    if unpacked.len() != choices.len() {
        return Err(Error::new("some packages were not unpacked"));
    }
    write_database(root, choices, &unpacked)
        .map_err(|e| Error::new(format!("cannot write dpkg's database: {e}")))?;
    Ok(unpacked)
}

fn worker_count() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .clamp(1, MAX_WORKERS)
}

/// dpkg's directories and empty files.
fn prepare(root: &Root) -> io::Result<()> {
    for dir in ["info", "triggers", "updates", "parts", "alternatives"] {
        root.mkdir_all(format!("{ADMIN_DIR}/{dir}"), 0o755)?;
    }
    root.create(format!("{ADMIN_DIR}/info/format"), 0o644)?
        .write_all(b"1\n")?;
    for file in ["available", "diversions", "statoverride", "triggers/Unincorp"] {
        root.create(format!("{ADMIN_DIR}/{file}"), 0o644)?;
    }
    Ok(())
}

/// Makes `/bin` and the like links into `/usr`, unless base-files brings them itself.
fn merge_usr(root: &Root, base_files: &Path, choices: &[Choice]) -> Result<(), Error> {
    let bad = |e: io::Error| Error::new(format!("{}: {e}", base_files.display()));
    let deb = super::deb::Deb::open(base_files).map_err(bad)?;
    let mut archive = tar::Archive::new(Guard::new(deb.data().map_err(bad)?));
    for entry in archive.entries().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        let is_bin = matches!(entry.path_bytes().as_ref(), b"./bin" | b"bin");
        if is_bin && entry.header().entry_type() == tar::EntryType::Symlink {
            return Ok(());
        }
    }
    let arch = choices
        .iter()
        .map(|c| c.arch.as_str())
        .find(|a| *a != "all")
        .unwrap_or_default();
    let multilib: &[&str] = match arch {
        "amd64" => &["lib32", "lib64", "libx32"],
        "i386" => &["lib64", "libx32"],
        "arm64" | "armhf" | "armel" | "riscv64" => &[],
        _ => &["lib32", "lib64"],
    };
    for name in MERGED.iter().chain(multilib) {
        root.mkdir_all(format!("usr/{name}"), 0o755)
            .and_then(|()| root.symlink(format!("usr/{name}"), name))
            .map_err(|e| Error::new(format!("cannot make /{name} a link: {e}")))?;
    }
    Ok(())
}

/// Deals the packages out, the largest first, always to the queue with the least work.
fn share_out(choices: &[Choice], workers: usize) -> Vec<Vec<usize>> {
    let mut by_size: Vec<usize> = (0..choices.len()).collect();
    let size = |nth: &usize| choices.get(*nth).map_or(0, |c| c.size);
    by_size.sort_by_key(|nth| std::cmp::Reverse(size(nth)));
    let mut queues: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); workers];
    for nth in by_size {
        if let Some((load, queue)) = queues.iter_mut().min_by_key(|(load, _)| *load) {
            // A package costs something even if it is tiny.
            *load += size(&nth) + 20_000;
            queue.push(nth);
        }
    }
    queues.into_iter().map(|(_, queue)| queue).collect()
}

/// What a worker writes down for its parent.
#[derive(Serialize, Deserialize)]
enum Report {
    Done(Vec<(usize, Unpacked)>),
    Failed(String),
}

fn run_workers(
    root: &Root,
    queues: &[Vec<usize>],
    files: &[PathBuf],
    owners: bool,
    scratch: &Path,
    done: &mut BTreeMap<usize, Unpacked>,
) -> Result<(), Error> {
    let mut running = Vec::new();
    for (nth, queue) in queues.iter().enumerate().filter(|(_, q)| !q.is_empty()) {
        let path = scratch.join(format!("unpack.{nth}"));
        let report = File::create_new(&path).map_err(|e| Error::io("cannot create", &path, &e))?;
        let mut reader = File::open(&path).map_err(|e| Error::io("cannot open", &path, &e))?;
        fs::remove_file(&path).map_err(|e| Error::io("cannot remove", &path, &e))?;
        match process::fork(Namespaces::empty())
            .map_err(|e| Error::new(format!("cannot start a process: {e}")))?
        {
            Fork::Child => process::exit_now(worker(root, queue, files, owners, report)),
            Fork::Parent(child) => running.push((child.pid, move || {
                let mut text = Vec::new();
                reader.read_to_end(&mut text).map(|_| text)
            })),
        }
    }
    let mut result = Ok(());
    for (pid, read) in running {
        let outcome = process::wait(Some(pid), WaitOptions::default())
            .map_err(|e| Error::new(format!("cannot wait for a process: {e}")))
            .and_then(|_| collect(read, done));
        result = result.and(outcome);
    }
    result
}

fn collect(
    mut read: impl FnMut() -> io::Result<Vec<u8>>,
    done: &mut BTreeMap<usize, Unpacked>,
) -> Result<(), Error> {
    let text = read().map_err(|e| Error::new(format!("cannot read an unpacker's report: {e}")))?;
    match serde_json::from_slice(&text) {
        Ok(Report::Done(list)) => {
            done.extend(list);
            Ok(())
        }
        Ok(Report::Failed(why)) => Err(Error::new(why)),
        Err(_) => Err(Error::new(
            "a process that unpacks packages was killed (out of memory?)",
        )),
    }
}

/// The forked child: unpacks its queue, reports, and leaves with an exit code.
fn worker(root: &Root, queue: &[usize], files: &[PathBuf], owners: bool, mut report: File) -> i32 {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let _ = process::set_parent_death_signal(libc::SIGKILL);
    let unpacker = Unpacker::new(root, owners);
    let outcome: Result<Vec<(usize, Unpacked)>, Error> = queue
        .iter()
        .filter_map(|nth| Some((*nth, files.get(*nth)?)))
        .map(|(nth, file)| Ok((nth, unpacker.unpack(file)?)))
        .collect();
    let failed = outcome.is_err();
    let outcome = outcome.map_or_else(|e| Report::Failed(e.message), Report::Done);
    let written = serde_json::to_vec(&outcome)
        .map_err(io::Error::from)
        .and_then(|text| report.write_all(&text));
    i32::from(failed || written.is_err())
}

/// Writes `status`, the triggers and apt's knowledge of what was installed only as a dependency.
fn write_database(root: &Root, choices: &[Choice], unpacked: &[Unpacked]) -> io::Result<()> {
    let mut status = String::new();
    let mut interests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in unpacked {
        status.push_str(&package.status);
        status.push('\n');
        for (trigger, awaited) in &package.interests {
            let how = if *awaited { "" } else { "/noawait" };
            interests
                .entry(trigger)
                .or_default()
                .push(format!("{}{how}", package.info_name));
        }
    }
    root.create(format!("{ADMIN_DIR}/status"), 0o644)?
        .write_all(status.as_bytes())?;
    let mut files = String::new();
    for (trigger, packages) in &interests {
        if trigger.starts_with('/') {
            packages
                .iter()
                .for_each(|p| files.push_str(&format!("{trigger} {p}\n")));
        } else if !trigger.contains('/') {
            let list: String = packages.iter().map(|p| format!("{p}\n")).collect();
            root.create(format!("{ADMIN_DIR}/triggers/{trigger}"), 0o644)?
                .write_all(list.as_bytes())?;
        }
    }
    root.create(format!("{ADMIN_DIR}/triggers/File"), 0o644)?
        .write_all(files.as_bytes())?;
    let automatic: String = choices
        .iter()
        .filter(|c| c.automatic)
        .map(|c| {
            format!(
                "Package: {}\nArchitecture: {}\nAuto-Installed: 1\n\n",
                c.name, c.arch
            )
        })
        .collect();
    root.mkdir_all("var/lib/apt", 0o755)?;
    root.create("var/lib/apt/extended_states", 0o644)?
        .write_all(automatic.as_bytes())
}

/// The shell script that finishes the system inside the container: `preinst` of all packages in the order of
/// `unpacked`, then dpkg's configuration of everything.
///
/// The files are there already when a `preinst` runs. For a first installation this is no difference: such scripts
/// look for older versions, create users, and register diversions of files that come later.
pub fn configure_script(choices: &[Choice], unpacked: &[Unpacked]) -> String {
    let mut script = String::from(
        "set -e\n\
         [ -e /bin/sh ] || ln -s dash /bin/sh\n\
         export DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg DPKG_FORCE= DPKG_MAINTSCRIPT_NAME=preinst \
         DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1\n\
         DPKG_RUNNING_VERSION=$(/usr/bin/dpkg-query --admindir=/var/lib/dpkg -W -f '${Version}' dpkg)\n\
         export DPKG_RUNNING_VERSION\n\
         preinst() {\n\
         DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$2 \"/var/lib/dpkg/info/$3.preinst\" install || {\n\
         echo \"the preinst script of package $1 failed\" >&2; exit 1; }\n\
         }\n",
    );
    for (choice, package) in choices.iter().zip(unpacked).filter(|(_, p)| p.preinst) {
        script.push_str(&format!(
            "preinst {} {} {}\n",
            choice.name, choice.arch, package.info_name
        ));
    }
    script.push_str("exec /usr/bin/dpkg --force-confold --configure --pending\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str, size: u64) -> Choice {
        Choice {
            name: name.into(),
            version: "1".into(),
            arch: "amd64".into(),
            archive: 0,
            filename: String::new(),
            size,
            sha256: String::new(),
            automatic: false,
        }
    }

    #[test]
    fn work_is_dealt_out_evenly() {
        let choices = [
            choice("a", 5_000_000),
            choice("b", 3_000_000),
            choice("c", 2_100_000),
            choice("d", 10),
        ];
        let queues = share_out(&choices, 2);
        assert_eq!(queues, [vec![0, 3], vec![1, 2]]);
        assert_eq!(share_out(&[], 2), [vec![], Vec::<usize>::new()]);
    }

    #[test]
    fn script_runs_preinsts_in_order() {
        let choices = [choice("base-passwd", 1), choice("x", 1), choice("libc6", 1)];
        let with = |name: &str, preinst| Unpacked {
            info_name: name.into(),
            preinst,
            ..Unpacked::default()
        };
        let unpacked = [
            with("base-passwd", true),
            with("x", false),
            with("libc6:amd64", true),
        ];
        let script = configure_script(&choices, &unpacked);
        assert!(script.contains(
            "preinst base-passwd amd64 base-passwd\npreinst libc6 amd64 libc6:amd64\nexec /usr/bin/dpkg"
        ));
    }
}
