//! Built-ins about networks: the gateway, and running in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use super::globals::{self, Globals};
use super::parser::Parsed;
use super::run;
use super::table::{Job, Key};
use crate::sys::namespace::{self, IdMap, IdMapping};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;
use crate::vagga::network::gateway::{self, Gateway, Options};
use crate::vagga::network::lookup;
use crate::vagga::project::Project;
use crate::vagga::run::place::{Inside, Place};
use crate::vagga::run::process::Lookup;

/// `_create_netns` and `_destroy_netns`.
pub fn gateway(job: Job, parsed: &Parsed) -> Result<u8, Failure> {
    let options = Options {
        dry_run: parsed.has(Key::DryRun),
        no_iptables: parsed.has(Key::NoIptables),
        host_part: parsed.values(Key::HostPart).pop(),
    };
    match job {
        Job::CreateNetns => gateway::create(&options),
        _ => gateway::destroy(&options),
    }
}

/// `_run_in_netns [--pid PID] CONTAINER COMMAND [ARG…]`.
pub fn run_in_netns(project: &Project, globals: &Globals, parsed: &Parsed) -> Result<u8, Failure> {
    let inside = match parsed.values(Key::Pid).pop() {
        Some(pid) => of_process(&pid).map_err(|e| {
            let text = format!("Can't use the network namespace of process {pid}: {e}");
            Failure::new(exit::LAUNCHER, text)
        })?,
        None => of_gateway()?,
    };
    let mut globals = globals.clone();
    globals.build_mode = globals::build_mode(parsed).unwrap_or(globals.build_mode);
    let container = parsed.positionals.first().map(String::as_str).unwrap_or_default();
    let argv = parsed.positionals.get(1..).unwrap_or_default();
    run::in_container(project, &globals, container, false, argv, Some(&inside))
}

fn of_gateway() -> Result<Inside, Failure> {
    let opened = Gateway::of_caller().open().ok_or_else(|| {
        Failure::new(exit::LAUNCHER, "Network namespace is not set up").with_hint("run `vagga _create_netns`")
    })?;
    let maps = ids::maximal()?;
    let hosts = || std::fs::read("/etc/hosts").unwrap_or_default();
    Ok(Inside {
        place: Place {
            user: Some(opened.user),
            net: opened.net,
            uts: None,
            outer: Some((maps.uid, maps.gid)),
        },
        lookup: lookup::resolv_conf().map(|text| Lookup {
            hosts: hosts(),
            resolv_conf: Some(text),
        }),
    })
}

/// The network of a process, in the user namespace that it belongs to.
fn of_process(pid: &str) -> io::Result<Inside> {
    let pid: u32 = pid.parse().map_err(|_| io::Error::other("it is no number"))?;
    let net: OwnedFd = File::open(format!("/proc/{pid}/ns/net"))?.into();
    let owner = File::from(namespace::owner(net.as_fd())?);
    let own = File::open("/proc/self/ns/user")?;
    let ours = owner.metadata()?.ino() == own.metadata()?.ino();
    let everybody = || {
        IdMap(vec![IdMapping {
            inside: 0,
            outside: 0,
            count: u32::MAX,
        }])
    };
    let (user, outer) = match ours {
        true => (None, Some((everybody(), everybody()))),
        false => (Some(owner.into()), None),
    };
    let place = Place {
        user,
        net,
        uts: None,
        outer,
    };
    Ok(Inside { place, lookup: None })
}
