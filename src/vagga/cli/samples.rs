//! Configurations for the tests of this room.

use std::collections::BTreeMap;

use crate::vagga::config::command::Common;
use crate::vagga::config::{CommandInfo, Config, Container, MainCommand, Run, SuperviseInfo};

/// A command of container `c` without anything special.
pub fn command() -> CommandInfo {
    CommandInfo {
        common: Common::default(),
        container: "c".into(),
        run: Run::Command(vec!["true".into()]),
        work_dir: None,
        accepts_arguments: None,
        environ: BTreeMap::new(),
        volumes: BTreeMap::new(),
        write_mode: Default::default(),
        user_id: 0,
        external_user_id: None,
        group_id: 0,
        supplementary_gids: Vec::new(),
        pid1mode: Default::default(),
        network: None,
        after: Vec::new(),
        ready: None,
        restart: Default::default(),
    }
}

/// A supervised group with these children.
pub fn group<const N: usize>(children: [(&str, CommandInfo); N]) -> SuperviseInfo {
    let child = |(n, c): (&str, CommandInfo)| (n.to_string(), crate::vagga::config::ChildCommand::Command(c));
    SuperviseInfo {
        common: Common::default(),
        mode: Default::default(),
        children: children.into_iter().map(child).collect(),
        kill_unresponsive_after: 2,
    }
}

/// An empty container.
pub fn container() -> Container {
    Container {
        setup: Vec::new(),
        data_dirs: Vec::new(),
        image_cache_url: None,
        image_cache_keyring: None,
        image_cache_sha256: None,
        auto_clean: false,
        uids: Vec::new(),
        gids: Vec::new(),
        environ: BTreeMap::new(),
        environ_file: None,
        default_shell: Vec::new(),
        resolv_conf_path: None,
        hosts_file_path: None,
        volumes: BTreeMap::new(),
    }
}

/// A configuration with these commands and an empty container `c`.
pub fn config<const N: usize>(commands: [(&str, MainCommand); N]) -> Config {
    Config {
        commands: commands.into_iter().map(|(n, c)| (n.to_string(), c)).collect(),
        containers: BTreeMap::from([("c".to_string(), container())]),
        ..Config::default()
    }
}
