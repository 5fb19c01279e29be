//! The guided set-up in a terminal: input, written files, and the dashboard that opens with them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{Cloud, PROJECT, SKEYS, Terminal, plain, stand_in};

/// Variables for the simulator, without any that sign in or set projects.
fn environment<'a>(cloud: &'a Cloud, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut environment = cloud.environment(more);
    let asked = ["STACKIT_ACCESS_TOKEN", "STACKIT_PROJECT_ID", "STACKIT_REGION"];
    environment.retain(|(name, _)| !asked.contains(name));
    environment
}

fn access_token(cloud: &Cloud) -> &str {
    &cloud.exports.iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN").unwrap().1
}

fn config_file(home: &Path) -> PathBuf {
    home.join(".config/skeys/config.toml")
}

/// The configuration lines that set something.
fn set_lines(home: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(config_file(home)).unwrap();
    assert_eq!(text.lines().count(), include_str!("../../config.example.toml").lines().count());
    let set = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    set.map(str::to_owned).collect()
}

/// The output as running text, so that a wrapped line is one question.
fn joined(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", " ")
}

/// Waits for a question at the end of the output, ignoring the first `after` bytes; returns the new length.
#[track_caller]
fn until_asked(terminal: &Terminal, question: &str, after: usize) -> usize {
    let asks = |bytes: &[u8]| joined(&bytes[after..]).trim_end().ends_with(question);
    terminal.wait_for_bytes(question, asks);
    terminal.bytes().len()
}

/// Answers questions, each once it is asked.
#[track_caller]
fn answer(terminal: &mut Terminal, answers: &[(&str, &str)]) {
    let mut after = 0;
    for (question, line) in answers {
        after = until_asked(terminal, question, after);
        terminal.send(format!("{line}\r").as_bytes());
    }
}

const WAY: &str = "Number from 1 to 4:";
const REGIONS: &str = "Regions [eu01, eu02]:";
const PROJECTS: &str = "type their numbers or IDs:";
const WRITE: &str = "opens the dashboard:";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_with_a_key_file_ends_in_the_dashboard() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let key = cloud.simulator.service_account_key().unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&key).unwrap();
    let private = file["credentials"]["privateKey"].take();
    let name = "my \"key\" ä.json";
    std::fs::write(home.path().join(name), file.to_string()).unwrap();
    std::fs::write(home.path().join("private.pem"), private.as_str().unwrap()).unwrap();
    let mut terminal = Terminal::run_in(home, &[SKEYS], 180, 60, &environment(&cloud, &[]));
    terminal.until("Press s for a guided set-up");
    terminal.send(b"s");
    answer(
        &mut terminal,
        &[
            (WAY, "7"),
            ("7 is not a number from 1 to 4. Number from 1 to 4:", "2"),
            ("Path of the key file:", "~/nothing"),
            ("(os error 2). Path of the key file:", name),
            ("Path of the private key (PEM):", "~/private.pem"),
            (PROJECTS, "3"),
            (PROJECTS, "1"),
            (REGIONS, "eu01"),
        ],
    );
    terminal.until("Signed in as demo@simulator (service-account key), until ");
    terminal.until("is readable by other users");
    terminal.until("3 is neither a number in the list nor a project ID.");
    answer(&mut terminal, &[(WRITE, "")]);
    terminal.until("delta");
    // In a narrow header, the scope replaces the source once all projects are known.
    terminal.until("service-account key");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let home = terminal.home.path();
    let key = home.join(name).display().to_string();
    assert_eq!(
        set_lines(home),
        [
            &*format!("projects = [\"{PROJECT}\"]"),
            "regions = [\"eu01\"]",
            "[auth]",
            &format!("service_account_key = '{key}'"),
            "private_key = \"~/private.pem\"",
        ]
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config_file(home)), 0o600);
    let (status, out, err) = plain(home, &["config", "check"], &[]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let expected = format!("signs in with the service-account key {key}\n");
    assert!(out.ends_with(&expected), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_is_told_and_another_one_works_in_40_columns() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("empty"), "\n").unwrap();
    std::fs::write(home.path().join("token"), access_token(&cloud)).unwrap();
    let words = [SKEYS, "config", "init", "--guided"];
    let mut terminal = Terminal::run_in(home, &words, 40, 60, &environment(&cloud, &[]));
    answer(
        &mut terminal,
        &[
            (WAY, "3"),
            ("Path of the token file:", "~/empty"),
            (WAY, "3"),
            ("Path of the token file:", "~/token"),
            (PROJECTS, ""),
            (REGIONS, ""),
            (WRITE, ""),
        ],
    );
    terminal.until("delta");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let text = joined(&terminal.bytes());
    assert!(text.contains("is empty. Set it as one line without"), "{text}");
    assert_eq!(set_lines(terminal.home.path()), ["[auth]", "token_file = \"~/token\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_of_the_stackit_cli_is_used_and_renewed_when_it_is_over() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let script = "case \"$*\" in\n\
        'auth get-access-token') [ -f $HOME/token ] && exec cat $HOME/token\n\
          echo 'Error: Session is expired. Please log in again first.' >&2; exit 1;;\n\
        'auth login') printf 'Continue in the browser? '; read -r answer\n\
          [ \"$answer\" = yes ] && cp $HOME/issued $HOME/token;;\n\
        esac";
    stand_in(home.path(), script);
    std::fs::write(home.path().join("issued"), access_token(&cloud)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let environment = environment(&cloud, &[("PATH", &path)]);
    let words = [SKEYS, "config", "init", "--guided"];
    let mut terminal = Terminal::run_in(home, &words, 180, 60, &environment);
    answer(
        &mut terminal,
        &[
            ("Number from 1 to 4 [1]:", ""),
            ("Run `stackit auth login` now? [Y/n]", "perhaps"),
            ("Answer y or n. Run `stackit auth login` now? [Y/n]", ""),
            ("Continue in the browser?", "no"),
            ("Number from 1 to 4 [1]:", "1"),
            ("Run `stackit auth login` now? [Y/n]", "y"),
            ("Continue in the browser?", "yes"),
            (PROJECTS, ""),
            (REGIONS, ""),
            ("(none: the defaults apply) Enter writes the file and opens the dashboard:", ""),
        ],
    );
    terminal.until("delta");
    terminal.until("stackit CLI");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(set_lines(terminal.home.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workload_identity_is_asked_for_its_file_and_its_account() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let token = cloud.simulator.federated_token().unwrap();
    std::fs::write(home.path().join("federated"), token).unwrap();
    // Without the authorization API, projects are typed.
    let nowhere = [("STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT", "http://127.0.0.1:1")];
    let words = [SKEYS, "config", "init", "--guided"];
    let mut terminal = Terminal::run_in(home, &words, 100, 60, &environment(&cloud, &nowhere));
    answer(
        &mut terminal,
        &[
            (WAY, "4"),
            ("Path of the platform's token file:", "~/federated"),
            ("Email address of the service account:", "demo"),
            (
                "demo is not an email address. Email address of the service account:",
                "demo@simulator",
            ),
            ("IDs of the projects to show:", "shop"),
            ("e21. IDs of the projects to show:", PROJECT),
            (REGIONS, "eu01"),
            (WRITE, ""),
        ],
    );
    terminal.until("delta");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let expected = [
        &*format!("projects = [\"{PROJECT}\"]"),
        "regions = [\"eu01\"]",
        "[auth]",
        "federated_token_file = \"~/federated\"",
        "service_account_email = \"demo@simulator\"",
    ];
    assert_eq!(set_lines(terminal.home.path()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_at_a_question_has_written_nothing() {
    let cloud = Cloud::begin().await;
    let questions = [
        (WAY, "3\r"),
        ("Path of the token file:", "~/token\r"),
        (PROJECTS, "\r"),
        (REGIONS, "\r"),
        (WRITE, ""),
    ];
    let ways: [(&str, u32); 3] = [("\x03", 130), ("\x04", 1), ("q\r", 1)];
    for (last, (way, status)) in (0..questions.len()).zip(ways.into_iter().cycle()) {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), access_token(&cloud)).unwrap();
        let words = [SKEYS, "config", "init", "--guided"];
        let mut terminal = Terminal::run_in(home, &words, 80, 60, &environment(&cloud, &[]));
        for (question, line) in &questions[..last] {
            answer(&mut terminal, &[(question, line.trim_end())]);
        }
        let (question, _) = questions[last];
        until_asked(&terminal, question, 0);
        terminal.send(way.as_bytes());
        assert_eq!(terminal.end_restored(), status, "{question}");
        assert!(!terminal.home.path().join(".config").exists(), "{question}");
    }
    // Without a preselection, Enter quits.
    let words = [SKEYS, "config", "init", "--guided"];
    let mut terminal = Terminal::run(&words, 80, 60, &environment(&cloud, &[]));
    answer(&mut terminal, &[(WAY, "")]);
    assert_eq!(terminal.end_restored(), 1);
    // Without a terminal, there are no questions.
    let (status, out, err) = cloud.plain(&["config", "init", "--guided"], &[]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("needs a terminal"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_there_is_left_as_it_is() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let file = config_file(home.path());
    let text = "# mine\nregions = [\"eu01\"]\n";
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    std::fs::write(home.path().join("token"), access_token(&cloud)).unwrap();
    let mut terminal = Terminal::run_in(home, &[SKEYS], 120, 60, &environment(&cloud, &[]));
    terminal.until("Press s for a guided set-up");
    terminal.send(b"s");
    answer(
        &mut terminal,
        &[(WAY, "3"), ("Path of the token file:", "~/token"), (PROJECTS, PROJECT)],
    );
    // The last output may arrive after the exit status.
    terminal.until("token_file = \"~/token\"");
    assert_eq!(terminal.end_restored(), 1);
    let screen = terminal.screen();
    let lines = format!("  projects = [\"{PROJECT}\"]\n  [auth]\n  token_file = \"~/token\"");
    assert!(screen.contains("Regions: eu01, set by "), "{screen}");
    assert!(screen.contains("exists and is not changed."), "{screen}");
    assert!(
        screen.contains("will not be changed: the lines"),
        "told at the beginning, too: {screen}"
    );
    assert!(screen.contains(&lines), "{screen}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_already_is_preselected_and_goes_before_other_answers() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "other").unwrap();
    let more = [("STACKIT_SERVICE_ACCOUNT_TOKEN", access_token(&cloud))];
    let words = [SKEYS, "config", "init", "--guided"];
    let mut terminal = Terminal::run_in(home, &words, 100, 60, &environment(&cloud, &more));
    terminal.until("1  as already configured: the token of STACKIT_SERVICE_ACCOUNT_TOKEN");
    let first = "takes precedence. Unset it, or sign in with it.";
    answer(
        &mut terminal,
        &[
            ("Number from 1 to 5 [1]:", "4"),
            ("Path of the token file:", "~/token"),
            ("Number from 1 to 5 [1]:", "2"),
            ("Number from 1 to 5 [1]:", ""),
            (PROJECTS, "q"),
        ],
    );
    assert_eq!(terminal.end_restored(), 1);
    let text = joined(&terminal.bytes());
    assert!(text.contains(first) && text.contains("stackit is not on PATH. Install it"), "{text}");
    assert!(!text.contains(access_token(&cloud)));
}
