//! Files of the user: a wrong configuration, a crash at every step of a write, a home that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use skeys::testing::store::private_file::{WriteStep, replace, unobserved};

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
    // It lists and reads, so that the token is needed more than once.
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

/// What the child of the next test does: it replaces a file and is killed at one step.
#[test]
fn child_that_is_killed() {
    let Ok(step) = std::env::var("SKEYS_CHILD_KILLED") else { return };
    let file = std::env::var("SKEYS_CHILD_FILE").unwrap();
    let kill = |at: WriteStep| {
        if format!("{at:?}") == step {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        Ok(())
    };
    replace(Path::new(&file), b"the new one, whole", &kill).unwrap();
}

#[test]
fn file_02_a_kill_at_any_step_leaves_the_old_or_the_new_file_whole_and_private() {
    let me = std::env::current_exe().unwrap();
    for step in WriteStep::ALL {
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
        let expected_new = matches!(step, WriteStep::SyncFolder);
        assert_eq!(content.starts_with("the new"), expected_new, "{step:?}");
        for entry in fs::read_dir(home.path()).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{step:?}");
        }
        // The next run cleans up after the killed one.
        replace(&file, b"the next one", &unobserved).unwrap();
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
    // A path outside is refused, however it is written.
    terminal.send(b"\t\x1b[B\t\x15~/.kube/config");
    terminal.until("does not belong to this demo");
    terminal.send(b"\x1b[Z\x1b[A\t\t\t\t");
    terminal.until("/kube/config (mode 0600)");
    // Buttons that have just appeared take no key.
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
        // It works: another theme is saved, or the failure is shown.
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
    // A configuration that does not come must not be left out: it may say that nothing may be changed.
    let home = tempfile::tempdir().unwrap();
    make_fifo(&home.path().join("mine.toml"));
    let (status, _, err) = plain(home.path(), &["--config", "mine.toml", "demo"], &[]);
    assert_eq!(status, 2);
    assert!(err.contains("mine.toml: no answer within 10 s"), "{err}");
}
