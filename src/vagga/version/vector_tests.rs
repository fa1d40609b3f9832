//! The published vectors of the encoding: every row must give its short hash.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::PathBuf;

use super::fixture::{container, Fixture};
use super::*;
use crate::vagga::config::step::*;
use crate::vagga::config::{IdRange, Step};

const S: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn short(setup: Vec<Step>) -> String {
    Fixture::new(vec![("x", container(setup))])
        .version("x")
        .unwrap()
        .short()
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

fn some(s: &str) -> Option<String> {
    Some(s.to_string())
}

fn row4() -> Vec<Step> {
    vec![
        Step::Alpine("v3.20".into()),
        Step::Install(strings(&["bash", "make"])),
    ]
}

#[test]
fn base_systems() {
    assert_eq!(short(vec![]), "4f6b3d28");
    assert_eq!(short(vec![Step::Alpine("v3.15".into())]), "86210ade");
    assert_eq!(short(vec![Step::Alpine("v3.20".into())]), "a9b71d29");
    assert_eq!(short(row4()), "09b41fd9");
    assert_eq!(short(vec![Step::Ubuntu("noble".into())]), "13b56d80");
    let release = UbuntuRelease {
        codename: some("noble"),
        version: None,
        url: None,
        arch: "amd64".into(),
        keep_chfn_command: false,
        eatmydata: true,
    };
    assert_eq!(short(vec![Step::UbuntuRelease(release)]), "dec9ba66");
}

#[test]
fn full_digest_and_input_bytes() {
    let f = Fixture::new(vec![("x", container(vec![Step::Alpine("v3.20".into())]))]);
    let hex = f.version("x").unwrap().hex();
    assert_eq!(
        hex,
        "a9b71d293f075e77794cbb38aec2a7312d20d26602dbc1ede52fd73d4bda978730220df65c98c94ee6a0f91fe1b3449f8910d73ba36f37e\
         5902020099a16d439"
    );
    let mut dump = Dump::default();
    encode_container(&f.project, &f.storage, &f.ids, "x", &mut dump).unwrap();
    assert_eq!(
        dump.0,
        b"uids\x000-65536\0gids\x000-65536\0COMMAND\0Alpine\0version\0v3.20\0"
    );
}

#[test]
fn repositories() {
    assert_eq!(short(vec![Step::BuildDeps(strings(&["gcc"]))]), "6b269338");
    assert_eq!(short(vec![Step::Repo("community".into())]), "899b8d87");
    let alpine = AlpineRepo {
        url: None,
        branch: some("edge"),
        repo: "testing".into(),
        tag: some("testing"),
        keys: Vec::new(),
        trusted: false,
    };
    assert_eq!(short(vec![Step::AlpineRepo(alpine)]), "624ec303");
    let ubuntu = UbuntuRepo {
        url: some("http://example.org/deb"),
        suite: some("noble"),
        components: strings(&["main", "extra"]),
        trusted: false,
    };
    assert_eq!(short(vec![Step::UbuntuRepo(ubuntu)]), "1825f338");
    let trust = AptTrust {
        server: None,
        keys: strings(&["ABCD1234"]),
    };
    assert_eq!(short(vec![Step::AptTrust(trust)]), "ac573723");
    assert_eq!(short(vec![Step::UbuntuPPA("team/ppa".into())]), "fcd88762");
    assert_eq!(short(vec![Step::UbuntuUniverse]), "00c5ee26");
}

#[test]
fn programs() {
    assert_eq!(short(vec![Step::Sh("echo hi".into())]), "54221543");
    assert_eq!(short(vec![Step::Cmd(strings(&["/bin/true", "--x"]))]), "286ccf48");
    let env = [("B", "two"), ("A", "1")].map(|(k, v)| (k.to_string(), v.to_string()));
    assert_eq!(short(vec![Step::Env(env.into())]), "a508fb37");
    let run_as = RunAs {
        user_id: 1,
        group_id: 0,
        external_user_id: None,
        supplementary_gids: Vec::new(),
        work_dir: "/work".into(),
        isolate_network: false,
        script: "id".into(),
    };
    assert_eq!(short(vec![Step::RunAs(run_as)]), "f11580df");
}

#[test]
fn files() {
    let text = [(PathBuf::from("/etc/motd"), "hello\n".to_string())];
    assert_eq!(short(vec![Step::Text(text.into())]), "41937103");
    assert_eq!(short(vec![Step::EnsureDir("/srv/data".into())]), "97ddd6e7");
    assert_eq!(short(vec![Step::EmptyDir("/var/cache".into())]), "8ba5300a");
    assert_eq!(short(vec![Step::Remove("/usr/share/man".into())]), "95ee1bb2");
    let caches = [(PathBuf::from("/root/.m2"), PathBuf::from("maven"))];
    assert_eq!(short(vec![Step::CacheDirs(caches.into())]), "3a5bbc9f");
}

#[test]
fn archives_and_downloads() {
    let mut download = Download {
        url: "http://example.org/tool.bin".into(),
        path: "/usr/bin/tool".into(),
        mode: 0o644,
        sha256: None,
    };
    assert_eq!(short(vec![Step::Download(download.clone())]), "e23d7ad0");
    download.sha256 = some(S);
    download.mode = 0o755;
    assert_eq!(short(vec![Step::Download(download)]), "98f8d868");
    let mut tar = Tar {
        url: "http://example.org/a.tar.gz".into(),
        sha256: None,
        path: "/".into(),
        subdir: "".into(),
    };
    assert_eq!(short(vec![Step::Tar(tar.clone())]), "650b4be2");
    tar.sha256 = some(S);
    tar.path = "/opt/a".into();
    tar.subdir = "a-1.0".into();
    assert_eq!(short(vec![Step::Tar(tar)]), "4e728daa");
    let unzip = Unzip {
        url: "./a.zip".into(),
        sha256: None,
        path: "/".into(),
        subdir: "".into(),
    };
    assert_eq!(short(vec![Step::Unzip(unzip)]), "0570f7cc");
    let install = TarInstall {
        url: "http://example.org/a.tar.gz".into(),
        sha256: None,
        subdir: None,
        script: "./configure --prefix=/usr\nmake\nmake install\n".into(),
    };
    assert_eq!(short(vec![Step::TarInstall(install)]), "f4483c39");
}

#[test]
fn git_steps() {
    let git = Git {
        url: "https://example.org/r.git".into(),
        revision: None,
        branch: None,
        path: "/opt/r".into(),
    };
    assert_eq!(short(vec![Step::Git(git)]), "30e09b89");
    let install = GitInstall {
        url: "https://example.org/r.git".into(),
        revision: some("abc123"),
        branch: None,
        subdir: ".".into(),
        script: "make install".into(),
    };
    assert_eq!(short(vec![Step::GitInstall(install)]), "f914720a");
}

#[test]
fn git_describe_of_a_tag_and_after_it() {
    let step = GitDescribe {
        repo: "/work".into(),
        output_file: Some("/version.txt".into()),
        pattern: None,
    };
    let f = Fixture::new(vec![("x", container(vec![Step::GitDescribe(step.clone())]))]);
    assert!(
        matches!(f.version("x"), Err(VersionError::Failed(_))),
        "no repository"
    );
    f.git(&["init", "-q"]);
    f.git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    assert!(matches!(f.version("x"), Err(VersionError::Failed(_))), "no tag");
    f.git(&["tag", "-a", "-m", "t", "v1.2.3"]);
    assert_eq!(f.version("x").unwrap().short(), "25948bf2");
    f.git(&["commit", "-q", "--allow-empty", "-m", "two"]);
    f.git(&["tag", "-a", "-m", "t", "other1"]);
    let matched = GitDescribe {
        pattern: some("v*"),
        ..step
    };
    let text = describe(&f.project, &matched).unwrap();
    assert!(text.starts_with("v1.2.3-1-g") && text.len() == 17, "{text}");
}

#[test]
fn python() {
    let config = PipConfig {
        find_links: Vec::new(),
        index_urls: Vec::new(),
        trusted_hosts: Vec::new(),
        dependencies: false,
        cache_wheels: true,
        install_python: true,
        allow_pre_releases: false,
        python_exe: None,
        get_pip_args: Vec::new(),
    };
    assert_eq!(short(vec![Step::PipConfig(config)]), "514324e4");
    assert_eq!(
        short(vec![Step::Py3Install(strings(&["flask==3.0.0"]))]),
        "8db42105"
    );
    let f = Fixture::new(vec![(
        "x",
        container(vec![Step::Py3Requirements("r.txt".into())]),
    )]);
    f.write("r.txt", "flask==3.0.0\n# comment\n\njinja2\n");
    assert_eq!(f.version("x").unwrap().short(), "3e5148e7");
    f.write("r.txt", "flask==3.0.0\n-r more.txt\n");
    f.write("more.txt", "jinja2\n");
    assert_eq!(f.version("x").unwrap().short(), "3e5148e7");
    f.write("more.txt", "-r ./r.txt\n");
    match f.version("x") {
        Err(VersionError::Failed(e)) => assert!(e.message.contains("Cyclic requirement"), "{e}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn node_ruby_php() {
    let npm = NpmConfig {
        npm_exe: "npm".into(),
        install_node: true,
        install_yarn: true,
        yarn_exe: "/usr/bin/yarn".into(),
        yarn_version: None,
    };
    assert_eq!(short(vec![Step::NpmConfig(npm)]), "d2b92e58");
    assert_eq!(short(vec![Step::NpmInstall(strings(&["webpack"]))]), "bb178fb5");
    let dependencies = NpmDependencies {
        file: "package.json".into(),
        package: true,
        dev: true,
        peer: false,
        bundled: true,
        optional: false,
    };
    let f = Fixture::new(vec![("x", container(vec![Step::NpmDependencies(dependencies)]))]);
    f.write(
        "package.json",
        r#"{"dependencies":{"z":{},"a":"^1.0"},"devDependencies":{"jest":"29"}}"#,
    );
    assert_eq!(f.version("x").unwrap().short(), "00c46f70");
    let gem = GemConfig {
        install_ruby: true,
        gem_exe: None,
        update_gem: true,
    };
    assert_eq!(short(vec![Step::GemConfig(gem)]), "d71053be");
    assert_eq!(short(vec![Step::GemInstall(strings(&["rake"]))]), "73ca1e40");
    let composer = ComposerConfig {
        runtime_exe: None,
        include_path: None,
        install_runtime: true,
        install_dev: false,
        keep_composer: false,
        vendor_dir: None,
    };
    assert_eq!(short(vec![Step::ComposerConfig(composer)]), "6eeed7e4");
    assert_eq!(short(vec![Step::ComposerInstall(strings(&["x/y"]))]), "b5938a05");
    let dependencies = ComposerDependencies {
        working_dir: None,
        dev: true,
        prefer: None,
        ignore_platform_reqs: false,
        no_autoloader: false,
        no_scripts: false,
        no_plugins: false,
        optimize_autoloader: false,
        classmap_authoritative: false,
    };
    let f = Fixture::new(vec![(
        "x",
        container(vec![Step::ComposerDependencies(dependencies)]),
    )]);
    f.write("composer.json", r#"{"require":{"php":">=8.1"}}"#);
    assert_eq!(f.version("x").unwrap().short(), "5abd5479");
}

/// What the original forgot is in the version, but only when it is there.
#[test]
fn lock_files_count() {
    let npm = Step::NpmDependencies(NpmDependencies {
        file: "package.json".into(),
        package: true,
        dev: true,
        peer: false,
        bundled: true,
        optional: false,
    });
    let gems = Step::GemBundle(GemBundle {
        gemfile: "Gemfile".into(),
        without: Vec::new(),
        trust_policy: None,
    });
    let f = Fixture::new(vec![
        ("npm", container(vec![npm])),
        ("gems", container(vec![gems])),
    ]);
    f.write("package.json", "{}");
    f.write("Gemfile", "");
    for (container, lock) in [
        ("npm", "package-lock.json"),
        ("npm", "npm-shrinkwrap.json"),
        ("gems", "Gemfile.lock"),
    ] {
        let mut seen = vec![f.version(container).unwrap().short()];
        for text in ["1", "2"] {
            f.write(lock, &format!("{lock} {text}"));
            let version = f.version(container).unwrap().short();
            assert!(!seen.contains(&version), "{lock}");
            seen.push(version);
        }
    }
}

#[test]
fn containers() {
    let of_base = |step| {
        let f = Fixture::new(vec![("base", container(row4())), ("x", container(vec![step]))]);
        f.version("x").unwrap().short()
    };
    assert_eq!(of_base(Step::Container("base".into())), "b7374682");
    let build = Build {
        container: "base".into(),
        source: "/x".into(),
        path: Some("/y".into()),
        temporary_mount: None,
        rules: Vec::new(),
        content_hash: false,
    };
    assert_eq!(of_base(Step::Build(build)), "03f5a407");
    let mut ids = container(vec![Step::Alpine("v3.20".into())]);
    ids.uids = vec![
        IdRange { start: 0, end: 1001 },
        IdRange {
            start: 65534,
            end: 65535,
        },
    ];
    let mut data = container(vec![Step::Alpine("v3.20".into())]);
    data.data_dirs = vec!["/srv/data".into()];
    let f = Fixture::new(vec![("ids", ids), ("data", data)]);
    assert_eq!(f.version("ids").unwrap().short(), "26bc6b6b");
    assert_eq!(f.version("data").unwrap().short(), "a1b31895");
}

fn copy_of(source: &str, path: &str) -> Step {
    Step::Copy(Copy {
        source: source.into(),
        path: path.into(),
        owner_uid: None,
        owner_gid: None,
        umask: 0o002,
        preserve_permissions: false,
        preserve_times: false,
        filter: Filter::default(),
    })
}

fn depends_on(path: &str, filter: Filter) -> Step {
    Step::Depends(Depends {
        path: path.into(),
        filter,
    })
}

#[test]
fn copied_files() {
    assert_eq!(short(vec![copy_of("/tmp/a", "/b")]), "794866f0");
    let f = Fixture::new(vec![
        (
            "file",
            container(vec![copy_of("/work/hello.txt", "/etc/hello.txt")]),
        ),
        (
            "depends",
            container(vec![depends_on("hello.txt", Filter::default())]),
        ),
        ("dir", container(vec![copy_of("/work/d", "/d")])),
    ]);
    assert!(matches!(f.version("file"), Err(VersionError::NotReady(_))));
    assert!(matches!(f.version("depends"), Err(VersionError::NotReady(_))));
    f.write("hello.txt", "hi\n");
    assert_eq!(f.version("file").unwrap().short(), "d300e580");
    assert_eq!(f.version("depends").unwrap().short(), "89e40473");
    f.write("d/x", "#!/bin/sh\n");
    fs::set_permissions(f.dir.0.join("d/x"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("x", f.dir.0.join("d/l")).unwrap();
    assert_eq!(f.version("dir").unwrap().short(), "75aec31a");
}

#[test]
fn what_a_dependency_depends_on() {
    let regex = Filter {
        include_regex: some("(^hello|(^|.*/)file)$"),
        ..Filter::default()
    };
    let globs = Filter {
        rules: strings(&["/hello", "/**/file"]),
        ..Filter::default()
    };
    let f = Fixture::new(vec![
        ("regex", container(vec![depends_on("dir", regex)])),
        ("globs", container(vec![depends_on("dir", globs)])),
    ]);
    for name in ["dir/exe.sh", "dir/hello", "dir/second", "dir/subdir/file"] {
        f.write(name, "x\n");
    }
    let first = f.version("regex").unwrap();
    assert_eq!(f.version("globs").unwrap(), first);
    let mode = |name: &str, mode| {
        fs::set_permissions(f.dir.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("dir/subdir", 0o700);
    mode("dir/hello", 0o600);
    f.write("dir/second", "changed\n");
    assert_eq!(f.version("regex").unwrap(), first);
    mode("dir/hello", 0o700);
    let executable = f.version("regex").unwrap();
    assert_ne!(executable, first);
    f.write("dir/hello", "x\ny\n");
    assert_ne!(f.version("regex").unwrap(), first);
    fs::remove_file(f.dir.0.join("dir/hello")).unwrap();
    symlink("second", f.dir.0.join("dir/hello")).unwrap();
    assert_ne!(f.version("regex").unwrap(), first);
    assert_eq!(f.version("globs").unwrap(), f.version("regex").unwrap());
}
