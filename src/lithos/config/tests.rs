//! The scenarios of the dialect and of each level.

use super::*;

fn container(text: &str) -> Result<Container, String> {
    parse("c.yaml", text.as_bytes()).map_err(|e: Problems| e.to_string())
}

fn with_program(text: &str) -> Result<Container, String> {
    container(&format!("executable: /bin/x\n{text}"))
}

#[test]
fn a_program_is_enough() {
    let c = container("executable: /bin/x").unwrap();
    assert_eq!(
        (c.kind, c.memory_limit, c.fileno_limit),
        (Role::Daemon, i64::MAX as u64, 1024)
    );
    assert_eq!((c.restart_timeout, c.kill_timeout, c.cpu_shares), (1, 5, 1024));
    assert!(c.resolv_conf.copy_from_host && c.hosts_file.copy_from_host);
    assert!(container("").unwrap_err().contains("executable"));
}

#[test]
fn empty_files_are_all_defaults() {
    let master: Master = parse("m", b"").unwrap();
    assert_eq!(master.state_dir(), Path::new("/run/lithos/state"));
    assert_eq!(
        master.sandboxes_dir(Path::new("/etc/l/master.yaml")),
        Path::new("/etc/l/./sandboxes")
    );
    assert_eq!(
        master.controllers(),
        ["name", "cpu", "cpuacct", "memory", "blkio"]
    );
    assert_eq!(master.cgroup_name.as_deref(), Some("lithos.slice"));
    let sandbox: Sandbox = parse("s", b"").unwrap();
    assert_eq!(
        (
            sandbox.default_user,
            sandbox.default_group,
            sandbox.image_dir_levels
        ),
        (None, 0, 1)
    );
    assert!(parse::<Processes>("p", b"").unwrap().is_empty());
}

#[test]
fn spellings_and_unknown_keys() {
    assert_eq!(
        with_program("user_id: 5").unwrap(),
        with_program("user-id: 5").unwrap()
    );
    let error = with_program("foo: 1\n_bar: {x: 1}").unwrap_err();
    assert!(error.contains("foo") && !error.contains("_bar"), "{error}");
}

#[test]
fn numbers() {
    let c =
        with_program("memory-limit: 10 Mi\nfileno-limit: 1k\nuser-id: 0x10\nkill-timeout: 1_000").unwrap();
    assert_eq!(
        (c.memory_limit, c.fileno_limit, c.user_id, c.kill_timeout),
        (10 << 20, 1000, Some(16), 1000)
    );
    for bad in [
        "memory-limit: 1T",
        "memory-limit: 1Ti",
        "kill-timeout: 86401",
        "restart-timeout: -1",
        "interactive: yes",
        "volumes: {/a: !Tmpfs {mode: 0o2777}}",
        "volumes: {a: !Readonly /x}",
        "environ: {A: 1, A: 2}",
        "environ: {A: ~}",
        "uid-map: [{inside: 0, outside: 1}]",
        "metadata: !*Include f.yaml",
        "tcp-ports: {80: {}}",
        "tcp-ports: {80: {fd: 3, host: localhost}}",
        "tcp-ports: {80: {fd: -1}}",
        "variables: {a: !TcpPort {activation: none}}",
    ] {
        assert!(with_program(bad).is_err(), "{bad}");
    }
}

#[test]
fn scalars_are_texts_in_lists() {
    let c = with_program("arguments: [60, true]\nmetadata: {any: [thing]}").unwrap();
    assert_eq!(c.arguments, ["60", "true"]);
    let c = with_program("arguments: [-c, $x, -, --]").unwrap();
    assert_eq!(c.arguments, ["-c", "$x", "-", "--"]);
    // With something behind the bracket, where the parser decides.
    for text in ["{-}x", "{--}x", "[-]x", "[--]x", "[-,]x", "{--, a}x"] {
        assert!(with_program(&format!("metadata: {text}")).is_err(), "{text}");
        assert!(with_program(text).is_err(), "{text}");
    }
}

#[test]
fn tags_without_value() {
    let c = with_program(
        "volumes:\n  /a: !Tmpfs\n  /b: !Persistent\n  /c: !Statedir\n  /d: !Persistent /db\nvariables:\n  p: !TcpPort\n  n: !Name",
    )
    .unwrap();
    let volume = |path: &str| c.volumes.get(Path::new(path)).unwrap().clone();
    let size = 100 << 20;
    assert_eq!(
        volume("/a"),
        Volume::Tmpfs(container::Tmpfs { size, mode: 0o777 })
    );
    assert!(matches!(volume("/b"), Volume::Persistent(p) if p.path == Path::new("/") && !p.mkdir));
    assert!(matches!(volume("/d"), Volume::Persistent(p) if p.path == Path::new("/db")));
    assert!(matches!(volume("/c"), Volume::Statedir(s) if s.mode == 0o777));
    assert!(matches!(&c.variables["p"], VariableType::TcpPort(p) if p.activation.is_none()));
}

#[test]
fn secrets_are_one_or_several() {
    let c = with_program("secret-environ: {A: v2:x, B: [v2:y, v2:z]}").unwrap();
    assert_eq!(c.secret_environ["A"], ["v2:x"]);
    assert_eq!(c.secret_environ["B"], ["v2:y", "v2:z"]);
    let file: container::Secrets = parse("s", b"A: one\nB: [two]").unwrap();
    assert_eq!((file.0["A"][0].as_str(), file.0["B"][0].as_str()), ("one", "two"));
}

#[test]
fn sandboxes() {
    let text = b"allow-users: [1, 10-19]\nuid-map: [{inside: 0, outside: 1000, count: 20}]\nbridged-network:\n  bridge: br0\n  network: 10.0.0.0/8\nadditional-hosts: {db: 10.0.0.1}\n";
    let sandbox: Sandbox = parse("s", text).unwrap();
    assert!(is_within(&sandbox.allow_users, 19) && !is_within(&sandbox.allow_users, 20));
    let map = sandbox.uid_map[0];
    assert_eq!(
        (map.to_outside(19), map.to_outside(20), map.last_outside()),
        (Some(1019), None, Some(1019))
    );
    let network = sandbox.bridged_network.unwrap().network;
    assert!(network.contains("10.255.0.1".parse().unwrap()));
    assert!(!network.contains("11.0.0.1".parse().unwrap()) && !network.contains("::1".parse().unwrap()));
    for bad in [
        "image-dir-levels: 17",
        "bridged-network: {bridge: b, network: 10.0.0.0/33}",
    ] {
        assert!(parse::<Sandbox>("s", bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(parse::<Sandbox>("s", b"bridged-network:")
        .unwrap()
        .bridged_network
        .is_none());
}

#[test]
fn processes() {
    let text = b"web: {image: img.v1, config: /config/web.yaml, instances: 3, variables: {port: 80}, ip-addresses: [10.0.0.1]}";
    let processes: Processes = parse("p", text).unwrap();
    let web = &processes["web"];
    assert_eq!(
        (web.instances, web.kind, web.variables["port"].as_str()),
        (3, ProcessKind::Daemon, "80")
    );
    for bad in [
        "w: {image: a, config: /c, kind: CommandOrDaemon}",
        "w: {config: /c}",
        "w: {image: a, config: /c, foo: 1}",
        "w: {image: a, config: /c, instances: -1}",
        "w: {image: a, config: /c, ip-addresses: [x]}",
    ] {
        assert!(parse::<Processes>("p", bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn networks_of_any_length() {
    for (text, inside, outside) in [
        ("0.0.0.0/0", "9.9.9.9", "::1"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("10.0.0.5", "10.0.0.5", "10.0.0.6"),
    ] {
        let network = IpNetwork::parse(text).unwrap();
        assert!(
            network.contains(inside.parse().unwrap()) && !network.contains(outside.parse().unwrap()),
            "{text}"
        );
    }
    assert_eq!(IpNetwork::parse("10.0.0.5").unwrap().to_string(), "10.0.0.5/32");
    assert_eq!(IpNetwork::parse("10.0.0.0/x"), None);
}

/// The manual: every example is read, and every key is in one.
mod manual {
    use super::*;
    use crate::config::schema::Structure;
    use crate::lithos::policy::check_declarations;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lithos-config.md"));

    /// The blocks of YAML of a level.
    fn examples(level: &str) -> Vec<&'static str> {
        let fence = format!("```yaml {level}\n");
        let after = PAGE.split(fence.as_str()).skip(1);
        after.map(|rest| rest.split("```").next().unwrap()).collect()
    }

    /// What keys and tags a kind of value knows, as they are written in examples.
    fn words(kind: &Kind, found: &mut BTreeSet<String>) {
        match kind {
            Kind::Map(_, inner) | Kind::List(inner) | Kind::FilledList(inner) | Kind::Nullable(inner) => {
                words(inner, found);
            }
            Kind::Structure(structure) => keys(structure, found),
            Kind::Tagged { variants, .. } => {
                for variant in *variants {
                    found.insert(format!("!{}", variant.tag));
                    words(&variant.kind, found);
                }
            }
            _ => {}
        }
    }

    fn keys(structure: &Structure, found: &mut BTreeSet<String>) {
        for key in structure.iter() {
            found.insert(format!("{}:", key.name.replace('_', "-")));
            words(&key.kind, found);
        }
    }

    #[track_caller]
    fn complete<T: Level>(level: &str, check: impl Fn(&T)) {
        let examples = examples(level);
        for example in &examples {
            check(&parse::<T>(level, example.as_bytes()).unwrap_or_else(|e| panic!("{example}{e}")));
        }
        let all = examples.concat();
        let mut found = BTreeSet::new();
        words(&T::KIND, &mut found);
        let missing: Vec<_> = found.iter().filter(|word| !all.contains(word.as_str())).collect();
        assert!(!found.is_empty() && missing.is_empty(), "{level}: {missing:?}");
    }

    #[test]
    fn every_key_has_an_example() {
        complete::<Master>("master", |master| assert_eq!(*master, parse("m", b"").unwrap()));
        complete::<Sandbox>("sandbox", |_| {});
        complete::<Processes>("processes", |all| assert_eq!(all.len(), 2));
        complete::<Container>("container", |c| assert_eq!(check_declarations(c), []));
    }

    #[test]
    fn every_example_says_what_it_is() {
        let known = ["master", "sandbox", "processes", "container"].map(|level| examples(level).len());
        assert_eq!(PAGE.matches("```yaml").count(), known.iter().sum::<usize>());
    }
}

#[test]
fn spellings_of_older_manuals() {
    let same = with_program("work-dir: /srv\nresolv-conf: {mount: nil}").unwrap();
    assert_eq!(same, with_program("workdir: /srv").unwrap());
    let master: Master = parse("m", b"syslog-name: x").unwrap();
    assert_eq!(master.syslog_app_name, "x");
    assert!(with_program("work-dir: /a\nworkdir: /b").is_err());
    assert!(with_program("interactive: nil").is_err());
    let sandbox: Sandbox = parse("s", b"log-file: nil").unwrap();
    assert_eq!(sandbox.log_file.as_deref(), Some(Path::new("nil")), "a text");
}

/// Files of all levels that somebody damaged.
mod damaged {
    use super::*;
    use proptest::prelude::*;

    const SOUND: &str = "executable: /bin/x\nuser-id: 1\nvolumes: {/a: !Tmpfs {size: 1Mi}, /b: !Persistent /db}\ntcp-ports: {80: {fd: 3}}\nvariables: {p: !Choice [a, b]}\nenviron: &e {A: 'b'}\nmetadata: *e\n";

    fn every_level(bytes: &[u8]) {
        let _ = parse::<Master>("m", bytes).map_err(|e| e.to_string());
        let _ = parse::<Sandbox>("s", bytes).map_err(|e| e.to_string());
        let _ = parse::<Processes>("p", bytes).map_err(|e| e.to_string());
        let _ = parse::<Container>("c", bytes).map_err(|e| e.to_string());
        let _ = parse::<container::Secrets>("x", bytes).map_err(|e| e.to_string());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            every_level(&bytes);
        }

        #[test]
        fn so_do_changes_of_a_sound_file(at in 0..SOUND.len(), cut in 0..9usize, new in "[-{}\\[\\]&*!:, \n\t'\"a0~|>#%]{0,6}") {
            let mut bytes = SOUND.as_bytes().to_vec();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, new.bytes());
            every_level(&bytes);
        }

        #[test]
        fn numbers_stay_within_their_limits(number in any::<i64>(), unit in "( ?(k|M|G|ki|Mi|Gi|T))?") {
            if let Ok(c) = with_program(&format!("kill-timeout: {number}{unit}\nmemory-limit: {number}{unit}")) {
                prop_assert!(c.kill_timeout <= 86_400 && unit.trim() != "T" && number >= 0);
            }
        }
    }
}
