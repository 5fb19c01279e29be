//! Files of the user: an invalid configuration, a crash at every step of a write, an unwritable home.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use skeys::testing::Clock;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::kubeconfig::{
    ClusterIdentity, FileTarget, KubeconfigKind, MergeOptions, MergeQuery, ParsedKubeconfig,
};
use skeys::testing::domain::secret::Secret;
use skeys::testing::store::kubeconfigs::Kubeconfigs;
use skeys::testing::store::private_file::{Observer, replace, replace_observed, step, unobserved};

use crate::support::{Cloud, SKEYS, Terminal, plain};

#[test]
fn file_15_a_wrong_configuration_is_named_with_line_and_column_and_nothing_starts() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mine.toml");
    fs::write(&file, "read_only = true\n[poll]\n  idel = \"30s\"\nidle = \"soon\"\n").unwrap();
    let (status, out, err) = plain(home.path(), &["--config", "mine.toml", "demo"], &[]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("mine.toml:3:3: unknown key poll.idel; did you mean poll.idle?"), "{err}");
    assert!(err.contains("mine.toml:4:8: poll.idle is \"soon\""), "{err}");
    assert!(err.contains("skeys did not start"), "{err}");
}

#[test]
fn file_15_a_variable_that_is_not_utf_8_counts_as_set() {
    let home = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("SKEYS_READ_ONLY", "SKEYS_READ_ONLY: read_only is \"\u{fffd}\""),
        ("SKEYS_CONFIG", "\u{fffd}: cannot be read"),
        ("STACKIT_ACCESS_TOKEN", "STACKIT_ACCESS_TOKEN"),
    ] {
        let mut due = std::process::Command::new(SKEYS);
        let due = due.arg("due").env_clear().env("HOME", home.path()).current_dir(home.path());
        let output = due.env(name, OsStr::from_bytes(b"\xff")).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains(expected) && !err.contains("no credentials found"), "{name}: {err}");
    }
}

#[test]
fn file_32_a_configuration_that_changes_under_the_dashboard_takes_effect_or_is_named_as_broken() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mine.toml");
    fs::write(&file, "").unwrap();
    let words = [SKEYS, "--config", "mine.toml", "demo"];
    let mut terminal = Terminal::run_in(home, &words, 120, 30, &[]);
    terminal.until("32 clusters");
    for (text, expected) in [
        ("[display]\nsort = \"nmae\"\n", "mine.toml:2:8: display.sort is \"nmae\""),
        ("[display]\nsort = \"name\"\n", "mine.toml changed: display.sort"),
    ] {
        replace(&file, text.as_bytes()).unwrap();
        terminal.until(expected);
    }
    terminal.until("name ↓");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn config_path_init_and_check_work_together() {
    let home = tempfile::tempdir().unwrap();
    let (status, path, _) = plain(home.path(), &["config", "path"], &[]);
    assert_eq!(status, 0);
    let file = Path::new(path.trim());
    assert!(file.starts_with(home.path()) && !file.exists());
    let (status, ..) = plain(home.path(), &["config", "init"], &[]);
    assert_eq!(status, 0);
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(file).unwrap(), include_str!("../../config.example.toml"));
    let environment = [("SKEYS_POLL_IDLE", "1m"), ("STACKIT_PROJECT_ID", "p-1")];
    let (status, out, err) =
        plain(home.path(), &["--region", "eu02", "config", "check"], &environment);
    assert_eq!(status, 0, "{err}");
    for line in
        ["poll.idle = \"1m\"", "SKEYS_POLL_IDLE", "p-1", "STACKIT_PROJECT_ID", "eu02", "--region"]
    {
        assert!(out.contains(line), "{line}\n{out}");
    }
}

#[test]
fn file_14_a_read_only_home_does_not_prevent_running() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal =
        Terminal::run_in(home, &[SKEYS, "demo"], 100, 30, &[("XDG_STATE_HOME", "/proc/nowhere")]);
    terminal.until("32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_11_the_token_of_a_command_works_and_a_fifo_without_a_writer_keeps_nothing_from_ending()
 {
    let cloud = Cloud::begin().await;
    cloud.put("delta", "PREPARED");
    // It lists and reads, so the token is needed more than once.
    let script = format!(
        "t=$STACKIT_ACCESS_TOKEN; unset STACKIT_ACCESS_TOKEN; \
         '{SKEYS}' --token-file <(echo \"$t\") wait delta --for prepared; echo \"status $?\""
    );
    let environment = cloud.environment(&[]);
    let terminal = Terminal::run(&["bash", "-c", &script], 120, 10, &environment);
    terminal.until("status 0");
    let make = "mkfifo never; exec ";
    for words in ["wait delta --for prepared", ""] {
        let script = format!("{make}'{SKEYS}' --token-file never {words}");
        let mut terminal = Terminal::run(&["bash", "-c", &script], 120, 10, &environment);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let start = std::time::Instant::now();
        terminal.signal(rustix::process::Signal::TERM);
        terminal.end();
        assert!(start.elapsed().as_secs() < 3, "{words}: {:?}", start.elapsed());
        let mut terminal = Terminal::run(&["bash", "-c", &script], 120, 10, &environment);
        assert_eq!(terminal.end(), 1);
        terminal.until("the token in never: no answer within 10 s");
    }
}

/// Child process of the next test: replaces a file and is killed at one step.
#[test]
fn child_that_is_killed() {
    let Ok(step) = std::env::var("SKEYS_CHILD_KILLED") else { return };
    let file = std::env::var("SKEYS_CHILD_FILE").unwrap();
    let kill = |at: &'static str| {
        if format!("{at:?}") == step {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    replace_observed(Path::new(&file), b"the new one, whole", &kill).unwrap();
}

#[test]
fn file_02_a_kill_at_any_step_leaves_the_old_or_the_new_file_whole_and_private() {
    let me = std::env::current_exe().unwrap();
    for step in step::ALL {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config");
        fs::write(&file, "the old one, whole").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let status = std::process::Command::new(&me)
            .args(["--exact", "files::child_that_is_killed"])
            .env("SKEYS_CHILD_KILLED", format!("{step:?}"))
            .env("SKEYS_CHILD_FILE", &file)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.code(), None, "{step:?}: killed");
        let content = fs::read_to_string(&file).unwrap();
        assert!(
            matches!(content.as_str(), "the old one, whole" | "the new one, whole"),
            "{step:?}"
        );
        let expected_new = matches!(step, step::SYNC_FOLDER);
        assert_eq!(content.starts_with("the new"), expected_new, "{step:?}");
        for entry in fs::read_dir(home.path()).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{step:?}");
        }
        // The next run cleans up after the killed one.
        replace(&file, b"the next one").unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{step:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "the next one");
    }
}

#[test]
fn cred_10_a_demo_does_not_touch_the_users_kubeconfigs() {
    let home = tempfile::tempdir().unwrap();
    let mine = home.path().join(".kube/config");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: mine\n\
                contexts: [{name: mine, context: {cluster: c, user: u}}]\n";
    fs::write(&mine, text).unwrap();
    let environment = [("KUBECONFIG", mine.to_str().unwrap())];
    let mut terminal = Terminal::run_in(home, &[SKEYS, "demo"], 120, 40, &environment);
    terminal.until("32 clusters");
    terminal.send(b"K");
    terminal.until("New kubeconfig");
    terminal.until("/kube/config");
    // A path outside is rejected, however it is written.
    terminal.send(b"\t\x1b[B\t\x15~/.kube/config");
    terminal.until("does not belong to this demo");
    terminal.send(b"\x1b[Z\x1b[A\t\t\t\t");
    terminal.until("/kube/config (mode 0600)");
    // Buttons that have just appeared ignore keys.
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.send(b"\r");
    terminal.until("Kubeconfig of");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    terminal.until("yours were not touched");
    terminal.until("KUBECONFIG=/");
    assert_eq!(fs::read_to_string(terminal.home.path().join(".kube/config")).unwrap(), text);
    let files = fs::read_dir(terminal.home.path().join(".kube")).unwrap().count();
    assert_eq!(files, 1, "neither lock nor backup");
    let state = terminal.home.path().join(".local/state/skeys");
    let demo = fs::read_dir(state).unwrap().next().unwrap().unwrap().path();
    let merged = fs::read_to_string(demo.join("kube/config")).unwrap();
    assert!(merged.contains("client-key-data") && merged.contains("current-context"));
    assert_eq!(fs::metadata(&demo).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!demo.join("state").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_18_two_dashboards_at_once_both_work_and_share_journal_and_state() {
    let cloud = Cloud::begin().await;
    let shared = tempfile::tempdir().unwrap();
    let environment = cloud.environment(&[("XDG_STATE_HOME", shared.path().to_str().unwrap())]);
    let open = || Terminal::run(&[SKEYS], 140, 40, &environment);
    let mut dashboards = [("alpha", open()), ("legacy", open())];
    for (name, terminal) in &mut dashboards {
        terminal.until("5 clusters");
        terminal.send(format!("/{name}\rR").as_bytes());
        terminal.until("Start credentials rotation");
        terminal.until("checked ");
    }
    // Buttons that have just appeared ignore keys.
    std::thread::sleep(std::time::Duration::from_millis(600));
    for (_, terminal) in &mut dashboards {
        terminal.send(b"\t\r");
    }
    let folder = shared.path().join("skeys");
    let mut themes = Vec::new();
    for ((_, terminal), keys) in dashboards.iter_mut().zip(["\rT", "\rTT"]) {
        terminal.until("Accepted at");
        terminal.send(keys.as_bytes());
        terminal.send(b"q");
        terminal.wait_for("the fleet", |screen| screen.contents().contains("5 clusters"));
        terminal.send(b"q");
        assert_eq!(terminal.end_restored(), 0);
        let state = fs::read_to_string(folder.join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        themes.push(state["theme"].as_str().unwrap().to_owned());
    }
    assert_ne!(themes[0], themes[1], "the last one wins");
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let lines = journal.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    for (name, _) in &dashboards {
        let of_start =
            lines.iter().filter(|line| line["cluster"] == *name && line["step"] == "start");
        let outcomes: Vec<_> = of_start.map(|line| line["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["intended", "done"], "{name}\n{journal}");
    }
    let mut next = open();
    next.until("5 clusters");
    next.send(b"q");
    assert_eq!(next.end_restored(), 0);
    let files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| !name.to_string_lossy().contains("broken")), "{files:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_26_held_locks_and_fifos_do_not_prevent_starting() {
    let cloud = Cloud::begin().await;
    let make_fifo = |path: &Path| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let folder = |home: &Path| {
        let folder = home.join(".local/state/skeys");
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    let run = |home, shows: &str| {
        let mut terminal = Terminal::run_in(home, &[SKEYS], 140, 40, &cloud.environment(&[]));
        terminal.until("5 clusters");
        terminal.until(shows);
        // It works: either another theme is saved, or the failure is shown.
        terminal.send(b"T");
        terminal.send(b"q");
        assert_eq!(terminal.end_restored(), 0);
    };
    let home = tempfile::tempdir().unwrap();
    let held: Vec<fs::File> = ["journal.jsonl", "state.lock"]
        .into_iter()
        .map(|name| fs::File::create(folder(home.path()).join(name)).unwrap())
        .collect();
    for file in &held {
        file.lock().unwrap();
    }
    run(home, "5 clusters");
    let home = tempfile::tempdir().unwrap();
    make_fifo(&folder(home.path()).join("journal.jsonl"));
    run(home, "journal.jsonl is a FIFO; the journal is off for this run");
    let home = tempfile::tempdir().unwrap();
    for name in ["state.lock", "state.json"] {
        make_fifo(&folder(home.path()).join(name));
    }
    run(home, "state.json: it cannot be read: it is a FIFO; defaults are used");
    // A configuration that cannot be read must not be ignored: it may forbid changes.
    let home = tempfile::tempdir().unwrap();
    make_fifo(&home.path().join("mine.toml"));
    let (status, _, err) = plain(home.path(), &["--config", "mine.toml", "demo"], &[]);
    assert_eq!(status, 2);
    assert!(err.contains("mine.toml: no answer within 10 s"), "{err}");
}

/// Child process of the next test: is killed between writing a kubeconfig and renaming it.
#[test]
fn child_that_is_killed_while_it_saves() {
    let Ok(home) = std::env::var("SKEYS_CHILD_HOME") else { return };
    let home = Path::new(&home);
    let files = Kubeconfigs::new(Some(home.to_owned()), None, Clock::machine())
        .with_state_folder(Some(home.join(".local/state/skeys")));
    let fresh = Secret::new(FRESH.to_owned());
    let fresh = ParsedKubeconfig::read(KubeconfigKind::Admin, &fresh).unwrap();
    let context = "shop".to_owned();
    let options = MergeOptions {
        context,
        make_current: false,
        replace: false,
        replace_another: false,
        in_place: false,
    };
    let kill = |at: &'static str| {
        if at == step::RENAME {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    let own = FileTarget::Own("~/far/away/shop.yaml".into());
    drop(files.save(&own, &fresh, &options, None, false, &kill));
}

const FRESH: &str = "clusters: [{name: k, cluster: {server: 'https://api.example', certificate-authority-data: QUJD}}]\n\
    contexts: [{name: c, context: {cluster: k, user: u}}]\n\
    users: [{name: u, user: {client-certificate-data: QUJD, client-key-data: U0VDUkVU}}]\n";

/// Child process of the next test: renews an entry and is killed at one step of one of the two writes.
#[test]
fn child_that_is_killed_while_it_renews() {
    let Ok(home) = std::env::var("SKEYS_CHILD_RENEWS") else { return };
    let (write, step) =
        (std::env::var("SKEYS_CHILD_WRITE").unwrap(), std::env::var("SKEYS_CHILD_STEP").unwrap());
    let writes = std::cell::Cell::new(0);
    let kill = |at: &'static str| {
        writes.set(writes.get() + u32::from(at == step::FOLDER));
        if writes.get().to_string() == write && format!("{at:?}") == step {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    renew(Path::new(&home), &kill);
}

/// Renews the entry of [`FRESH`] in `~/.kube/config`.
fn renew(home: &Path, observer: Observer<'_>) {
    let files = Kubeconfigs::new(Some(home.to_owned()), None, Clock::machine());
    let fresh = Secret::new(FRESH.replace("U0VDUkVU", "UkVORVdF"));
    let fresh = ParsedKubeconfig::read(KubeconfigKind::Admin, &fresh).unwrap();
    let query = MergeQuery {
        context: "c".to_owned(),
        known: ClusterIdentity::Server("https://api.example".to_owned()),
        kind: KubeconfigKind::Admin,
        make_current: false,
        in_place: true,
    };
    let options = MergeOptions {
        context: "c".to_owned(),
        make_current: false,
        replace: true,
        replace_another: false,
        in_place: true,
    };
    let target = FileTarget::MergeInto("~/.kube/config".into());
    let plan = files.plan(&target, &query).unwrap();
    let seen = plan.fingerprint.as_deref();
    let saved = files.save(&target, &fresh, &options, seen, false, observer).unwrap();
    saved.into_result().unwrap();
}

#[test]
fn file_02_a_kill_at_any_step_of_a_renewal_leaves_the_old_or_the_renewed_file_whole() {
    let me = std::env::current_exe().unwrap();
    // A save replaces two files: the backup, then the kubeconfig.
    for (write, step) in [1, 2].into_iter().flat_map(|n| step::ALL.map(|step| (n, step))) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".kube");
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("config");
        fs::write(&config, FRESH).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let output = std::process::Command::new(&me)
            .args(["--exact", "files::child_that_is_killed_while_it_renews"])
            .env("SKEYS_CHILD_RENEWS", home.path())
            .env("SKEYS_CHILD_WRITE", write.to_string())
            .env("SKEYS_CHILD_STEP", format!("{step:?}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), None, "{write} {step:?}: killed");
        let renewed = FRESH.replace("U0VDUkVU", "\"UkVORVdF\"");
        let is_renewed = (write, step) == (2, step::SYNC_FOLDER);
        let expected = if is_renewed { &renewed } else { FRESH };
        assert_eq!(fs::read_to_string(&config).unwrap(), expected, "{write} {step:?}");
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{step:?}");
        }
        // The next renewal is not obstructed and leaves nothing of the killed one.
        renew(home.path(), &unobserved);
        assert_eq!(fs::read_to_string(&config).unwrap(), renewed, "{write} {step:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "{write} {step:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_27_the_next_run_removes_the_key_and_the_lock_that_a_killed_one_left() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let me = std::env::current_exe().unwrap();
    let output = std::process::Command::new(&me)
        .args(["--exact", "files::child_that_is_killed_while_it_saves"])
        .env("SKEYS_CHILD_HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), None, "killed");
    let far = home.path().join("far/away");
    let left = |folder: &Path| -> Vec<_> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(left(&far).len(), 2, "a temporary file with a key, and the lock: {:?}", left(&far));
    let mut terminal = Terminal::run_in(home, &[SKEYS], 140, 40, &cloud.environment(&[]));
    terminal.until("5 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(left(&terminal.home.path().join("far/away")), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_28_a_state_folder_that_others_can_write_and_a_linked_journal_are_refused_and_said() {
    let cloud = Cloud::begin().await;
    let run = |home, shows: &[&str]| {
        let mut terminal = Terminal::run_in(home, &[SKEYS], 140, 40, &cloud.environment(&[]));
        terminal.until("5 clusters");
        for text in shows {
            terminal.until(text);
        }
        terminal.send(b"T");
        terminal.send(b"q");
        assert_eq!(terminal.end_restored(), 0);
        terminal
    };
    let folder = |home: &Path| {
        let folder = home.join(".local/state/skeys");
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(folder(home.path()), fs::Permissions::from_mode(0o777)).unwrap();
    let ended = run(home, &["is writable by everyone", "state and journal are off"]);
    assert_eq!(fs::read_dir(folder(ended.home.path())).unwrap().count(), 0);
    let home = tempfile::tempdir().unwrap();
    let linked = home.path().join("elsewhere");
    fs::write(&linked, "mine\n").unwrap();
    let journal = folder(home.path()).join("journal.jsonl");
    std::os::unix::fs::symlink(&linked, journal).unwrap();
    let ended = run(home, &["is a symbolic link; the journal is off"]);
    assert_eq!(fs::read_to_string(ended.home.path().join("elsewhere")).unwrap(), "mine\n");
}

#[test]
fn file_07_a_file_of_a_group_that_the_user_is_not_in_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    fs::write(&file, "").unwrap();
    for path in [home.path(), &file] {
        if chown(path, Some(65_534), None).is_err() {
            // Only root can change file owners and act as another user.
            return;
        }
    }
    let mut init = std::process::Command::new(SKEYS);
    init.args(["--config", "config.toml", "config", "init", "--force"]);
    let init = init.current_dir(home.path()).env("HOME", home.path()).uid(65_534).gid(65_534);
    // The program may be in a folder that the other user cannot read.
    let Ok(output) = init.output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), include_str!("../../config.example.toml"));
}

/// Child process of the next test: inspects a mounted file.
#[test]
fn child_that_looks_at_a_mounted_file() {
    let Ok(home) = std::env::var("SKEYS_CHILD_MOUNTED") else { return };
    let files = Kubeconfigs::new(Some(home.into()), None, Clock::machine());
    let query = MergeQuery {
        context: "shop".to_owned(),
        known: ClusterIdentity::Address(ClusterId::new("p", "eu01", "shop")),
        kind: KubeconfigKind::Admin,
        make_current: false,
        in_place: false,
    };
    let failure = files.plan(&FileTarget::Merge, &query).unwrap_err();
    assert!(failure.message.contains("is a mount point"), "{failure}");
    println!("refused as a mount point");
}

#[test]
fn cred_09_a_bind_mounted_file_is_refused_before_and_said() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".kube/config");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "").unwrap();
    let unshare = |script: &str| {
        std::process::Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script])
            .args(["sh".as_ref(), config.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
            .env("SKEYS_CHILD_MOUNTED", home.path())
            .output()
    };
    // Not every machine allows a test to mount.
    let mount = "mount --bind \"$1\" \"$1\"";
    if !unshare(mount).is_ok_and(|output| output.status.success()) {
        return;
    }
    let look = format!(
        "{mount} && exec \"$2\" --nocapture --exact files::child_that_looks_at_a_mounted_file"
    );
    let output = unshare(&look).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("refused as a mount point"), "{text}");
}

#[test]
fn ctrl_s_exports_instead_of_stopping_the_output() {
    let mut terminal = Terminal::demo(100, 30);
    terminal.send(b"\x13");
    terminal.until("new file in ");
    terminal.send(b"\r");
    terminal.until("Exported 32 clusters to ");
    let files = fs::read_dir(terminal.home.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let exported: Vec<String> = names.filter(|name| name.starts_with("skeys-fleet-")).collect();
    let text = fs::read_to_string(terminal.home.path().join(&exported[0])).unwrap();
    assert_eq!((exported.len(), text.lines().count()), (1, 33), "{text}");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn doctor_says_that_the_log_file_cannot_be_opened() {
    let home = tempfile::tempdir().unwrap();
    let token = ("STACKIT_ACCESS_TOKEN", "e30.e30.c2ln");
    let doctor = |file: &str| {
        let asked = ["doctor", "--offline", "--log-file", file];
        plain(home.path(), &asked, &[token, ("LANG", "C.UTF-8")])
    };
    let (status, out, _) = doctor("missing/log");
    assert!(out.contains("✗ log file       missing/log: opening the log failed"), "{out}");
    assert_eq!(status, 1, "{out}");
    let (status, out, _) = doctor("log");
    assert!(out.contains("✓ log file       log\n"), "{out}");
    assert_eq!(status, 0, "{out}");
    assert!(home.path().join("log").exists(), "it logs what it asks");
}
